import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { listedRoutes } from "../../../src/api/permissions.ts";
import { docsPage } from "../../../src/api/system/docs.ts";
import { apiWorld } from "../../support/api-world.ts";

interface Operation {
  readonly security: readonly object[];
  readonly responses: Readonly<Record<string, unknown>>;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
}

async function document() {
  const { app } = await apiWorld();
  const answer = await app.request("/openapi.json");
  return (await answer.json()) as { openapi: string; paths: Record<string, Record<string, Operation>> };
}

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1", async () => {
    const validator = new Validator();
    const result = await validator.validate(await document());
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(validator.version).toBe("3.1");
  });

  it("has every route, its path parameters, and whether it needs a token", async () => {
    const { paths } = await document();
    const listed = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{([a-z]+)\}/g, ":$1")}`),
    );
    // A path that may have slashes says so in the router's way, which the document has no word for.
    expect(listed.toSorted()).toEqual(listedRoutes.map((route) => route.replace("{[^]+}", "")).toSorted());
    expect(paths["/livez"]?.["get"]?.security).toEqual([]);
    expect(paths["/api/v1/agents"]?.["get"]?.security).toEqual([{ bearer: [] }]);
    expect(paths["/api/v1/agents/{name}"]?.["get"]?.parameters).toMatchObject([
      { name: "name", in: "path", required: true },
    ]);
    const deploy = paths["/api/v1/agents"]?.["post"];
    expect(deploy?.parameters?.map(({ name }) => name)).toContain("placement_strategy");
    expect(Object.keys(deploy?.responses ?? {})).toEqual(["201", "202", "default"]);
  });

  it("is shown by a page that loads nothing from elsewhere", async () => {
    const { app } = await apiWorld();
    const answer = await app.request("/docs");
    expect(answer.headers.get("content-type")).toContain("text/html");
    expect(answer.headers.get("content-security-policy")).toContain("connect-src 'self'");
    expect(docsPage).not.toMatch(/https?:\/\//);
  });
});
