/** `GET /openapi.json`, made from the routes themselves, and `GET /docs`, a page that reads it. */
import { generateSpecs } from "hono-openapi";
import { problemComponent } from "../http/describe.ts";
import type { ApiRoutes } from "../http/endpoint.ts";
import { accessOf } from "../permissions.ts";
import { docsPage, docsPolicy } from "./docs.ts";

interface Operation {
  security?: readonly object[];
  parameters?: readonly unknown[];
}

export function addOpenApi(api: ApiRoutes): void {
  let document: Promise<string> | null = null;
  api.add("get", "/openapi.json", { tag: "system", summary: "This document" }, async () => {
    document ??= makeDocument(api);
    return new Response(await document, {
      headers: { "content-type": "application/json", "cache-control": "public, max-age=300" },
    });
  });
  api.add(
    "get",
    "/docs",
    { tag: "system", summary: "This document as a page", answerMedia: "text/html" },
    () => {
      return new Response(docsPage, {
        headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": docsPolicy },
      });
    },
  );
}

async function makeDocument(api: ApiRoutes): Promise<string> {
  const document = await generateSpecs(api.app, {
    excludeStaticFile: false,
    documentation: {
      openapi: "3.1.0",
      info: { title: "Caxton", version: api.services.version, description: "The API of a Caxton node." },
      components: {
        securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
        responses: { Problem: problemComponent() },
      },
    },
  });
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      const route = `${method.toUpperCase()} ${path.replaceAll(/\{([a-z]+)\}/g, ":$1")}`;
      operation.security = accessOf(route) === "public" ? [] : [{ bearer: [] }];
    }
  }
  return JSON.stringify(document);
}
