import { describe, expect, it } from "vitest";
import { apiWorld } from "../../support/api-world.ts";

const text = (body: string, headers: Record<string, string> = {}) => ({
  body,
  headers: { "content-type": "text/plain; charset=utf-8", ...headers },
});

async function codeOf(response: Response): Promise<unknown> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return ((await response.json()) as { code: unknown }).code;
}

describe("a key", () => {
  it("gives back the bytes and the media type that were put, with its version as the tag", async () => {
    const { call } = await apiWorld();
    const put = await call("PUT", "/api/v1/kv/greeting", text("grüß dich"));
    expect(put.status).toBe(201);
    const written = (await put.json()) as {
      key: string;
      version: number;
      created: boolean;
      modified_at: string;
    };
    expect(written).toMatchObject({
      key: "greeting",
      created: true,
      modified_at: "2026-01-01T00:00:00.000Z",
    });
    expect(put.headers.get("etag")).toBe(`"${written.version}"`);
    const got = await call("GET", "/api/v1/kv/greeting");
    expect(await got.text()).toBe("grüß dich");
    expect(got.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(got.headers.get("etag")).toBe(`"${written.version}"`);
    expect(got.headers.get("caxton-consistency")).toBe("linearizable");
    expect(got.headers.get("caxton-partition")).toBeNull();
    const again = await call("PUT", "/api/v1/kv/greeting", text("hello"));
    expect(again.status).toBe(200);
    expect(((await again.json()) as { version: number }).version).toBeGreaterThan(written.version);
  });

  it("may hold any bytes, none at all, and a name with slashes, spaces and letters of any script", async () => {
    const { call } = await apiWorld();
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const path = "/api/v1/kv/config/db%2Furl/%C3%A9%20x";
    expect((await call("PUT", path, { body: bytes })).status).toBe(201);
    const got = await call("GET", path);
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes);
    expect(got.headers.get("content-type")).toBe("application/octet-stream");
    expect(await (await call("GET", `${path}?format=json`)).json()).toMatchObject({
      key: "config/db/url/é x",
      size: 256,
      encoding: "base64",
      content_type: "application/octet-stream",
    });
    expect((await call("PUT", "/api/v1/kv/empty", text(""))).status).toBe(201);
    expect(await (await call("GET", "/api/v1/kv/empty?format=json")).json()).toMatchObject({
      encoding: "utf-8",
      value: "",
      size: 0,
    });
  });

  it("that is not there is a 404, and is deleted once", async () => {
    const { call } = await apiWorld();
    expect(await codeOf(await call("GET", "/api/v1/kv/none"))).toBe("not_found");
    await call("PUT", "/api/v1/kv/a", text("1"));
    expect((await call("DELETE", "/api/v1/kv/a")).status).toBe(200);
    expect((await call("GET", "/api/v1/kv/a")).status).toBe(404);
    expect((await call("DELETE", "/api/v1/kv/a")).status).toBe(404);
  });

  it("is written and deleted only under the condition of the request", async () => {
    const { call } = await apiWorld();
    const path = "/api/v1/kv/a";
    const first = await call("PUT", path, text("1", { "if-none-match": "*" }));
    const tag = first.headers.get("etag") ?? "";
    expect(await codeOf(await call("PUT", path, text("2", { "if-none-match": "*" })))).toBe(
      "precondition_failed",
    );
    expect((await call("PUT", path, text("2", { "if-match": '"999"' }))).status).toBe(412);
    expect((await call("PUT", path, text("2", { "if-match": tag }))).status).toBe(200);
    expect((await call("PUT", path, text("3", { "if-match": tag }))).status).toBe(412);
    expect((await call("PUT", "/api/v1/kv/b", text("3", { "if-match": "*" }))).status).toBe(412);
    expect((await call("DELETE", path, { headers: { "if-match": tag } })).status).toBe(412);
    expect(await (await call("GET", path)).text()).toBe("2");
    for (const headers of [
      { "if-match": "5" },
      { "if-match": 'W/"5"' },
      { "if-match": '"0"' },
      { "if-none-match": '"5"' },
      { "if-match": "*", "if-none-match": "*" },
    ]) {
      expect((await call("PUT", path, text("x", headers as never))).status, JSON.stringify(headers)).toBe(
        400,
      );
    }
  });

  it("is not sent again to who has it", async () => {
    const { call } = await apiWorld();
    const tag = (await call("PUT", "/api/v1/kv/a", text("1"))).headers.get("etag") ?? "";
    const same = await call("GET", "/api/v1/kv/a", { headers: { "if-none-match": `"7", ${tag}` } });
    expect(same.status).toBe(304);
    expect(await same.text()).toBe("");
    await call("PUT", "/api/v1/kv/a", text("2"));
    expect((await call("GET", "/api/v1/kv/a", { headers: { "if-none-match": tag } })).status).toBe(200);
  });

  it("is written once under an Idempotency-Key, which another request cannot use", async () => {
    const { call } = await apiWorld();
    const init = text("1", { "idempotency-key": "k-1", "if-none-match": "*" });
    const first = await call("PUT", "/api/v1/kv/a", init);
    expect(first.status).toBe(201);
    const again = await call("PUT", "/api/v1/kv/a", init);
    expect(await again.json()).toEqual(await first.json());
    expect(again.status).toBe(201);
    expect((await call("PUT", "/api/v1/kv/a", text("2", { "idempotency-key": "k-1" }))).status).toBe(409);
    expect((await call("PUT", "/api/v1/kv/a", text("2", { "idempotency-key": "with space" }))).status).toBe(
      400,
    );
  });

  it("is refused when the name, the value or the media type breaks a bound", async () => {
    const { call } = await apiWorld();
    expect((await call("PUT", `/api/v1/kv/${"x".repeat(513)}`, text("1"))).status).toBe(400);
    for (const method of ["GET", "PUT", "DELETE"])
      for (const key of ["a%00b", "a%0Ab", "%0A", "a%0D", "a/%0A/b", "%E2%80%A8%0A"])
        expect([method, key, (await call(method, `/api/v1/kv/${key}`)).status]).toEqual([method, key, 400]);
    expect((await call("PUT", "/api/v1/kv/%E2%80%A8", text("1"))).status).toBe(201);
    expect((await call("PUT", "/api/v1/kv/a", { body: new Uint8Array(1024 * 1024 + 1) })).status).toBe(413);
    expect((await call("PUT", "/api/v1/kv/a", { body: new Uint8Array(1024 * 1024) })).status).toBe(201);
    expect((await call("PUT", "/api/v1/kv/a", text("1", { "content-type": "nonsense" }))).status).toBe(415);
    expect((await call("GET", "/api/v1/kv/a?consistency=eventual")).status).toBe(400);
  });

  it("is for who may: developers write, operators read, viewers see nothing", async () => {
    const { call, token } = await apiWorld();
    const as = async (role: "developer" | "operator" | "viewer") => ({
      authorization: `Bearer ${await token(role)}`,
    });
    expect((await call("PUT", "/api/v1/kv/a", text("1", await as("developer")))).status).toBe(201);
    expect((await call("PUT", "/api/v1/kv/a", text("1", await as("operator")))).status).toBe(403);
    expect((await call("GET", "/api/v1/kv/a", { headers: await as("operator") })).status).toBe(200);
    expect((await call("GET", "/api/v1/kv", { headers: await as("viewer") })).status).toBe(403);
  });
});

describe("keys", () => {
  it("are not listed by what no key has: a prefix or cursor with control characters is refused", async () => {
    const { call } = await apiWorld();
    const cursor = Buffer.from("a\0b").toString("base64url");
    for (const query of ["prefix=%00", "prefix=a%0Ab", "prefix=%7F", `cursor=${cursor}`]) {
      const answer = await call("GET", `/api/v1/kv?${query}`);
      expect([query, answer.status, await codeOf(answer)]).toEqual([query, 400, "invalid_argument"]);
    }
  });

  it("are listed by prefix, page by page", async () => {
    const { call } = await apiWorld();
    for (const key of ["app/a", "app/b", "app/c", "other"]) await call("PUT", `/api/v1/kv/${key}`, text(key));
    const seen: string[] = [];
    let query = "?prefix=app/&limit=2";
    for (;;) {
      const page = (await (await call("GET", `/api/v1/kv${query}`)).json()) as {
        entries: { key: string; size: number }[];
        next_cursor: string | null;
      };
      seen.push(...page.entries.map(({ key }) => key));
      if (page.next_cursor === null) break;
      query = `?prefix=app/&limit=2&cursor=${page.next_cursor}`;
    }
    expect(seen).toEqual(["app/a", "app/b", "app/c"]);
    expect((await call("GET", "/api/v1/kv?cursor=%2B")).status).toBe(400);
    expect((await call("GET", "/api/v1/kv?cursor=_____w")).status).toBe(400);
  });
});

describe("without a quorum", () => {
  it("writes and linearizable reads are refused as such, local reads are answered and marked", async () => {
    const { call, services } = await apiWorld();
    await call("PUT", "/api/v1/kv/a", text("1"));
    services.control.quorum = false;
    for (const refused of [
      await call("PUT", "/api/v1/kv/a", text("2")),
      await call("GET", "/api/v1/kv/a"),
      await call("POST", "/api/v1/locks/l", { json: {} }),
    ]) {
      expect(refused.status).toBe(503);
      expect(refused.headers.get("retry-after")).toBe("1");
      expect(await codeOf(refused)).toBe("no_quorum");
    }
    const local = await call("GET", "/api/v1/kv/a?consistency=local");
    expect(await local.text()).toBe("1");
    expect(local.headers.get("caxton-consistency")).toBe("local");
    expect(local.headers.get("caxton-partition")).toBe("minority");
    expect(Number(local.headers.get("caxton-applied-index"))).toBeGreaterThan(0);
  });
});

describe("a lock", () => {
  it("is acquired, shown, renewed and released by its holder alone", async () => {
    const { call, token } = await apiWorld();
    const path = "/api/v1/locks/build";
    const bob = { authorization: `Bearer ${await token("developer", "bob")}` };
    expect(await (await call("GET", path)).json()).toEqual({ name: "build", held: false });
    const held = (await (await call("POST", path, { json: { ttl: "20s", holder: "ci-1" } })).json()) as {
      token: number;
    };
    expect(held).toMatchObject({ held: true, holder: "ci-1", ttl: "20s", expires_in: "20s" });
    expect(await (await call("GET", path)).json()).toMatchObject({
      token: held.token,
      principal: "admin-user",
    });
    expect(await codeOf(await call("POST", path, { json: {}, headers: bob }))).toBe("conflict");
    expect((await call("DELETE", `${path}?token=${held.token}`, { headers: bob })).status).toBe(409);
    expect((await call("DELETE", `${path}?token=${held.token + 1}`)).status).toBe(409);
    expect(await (await call("POST", path, { json: { token: held.token } })).json()).toMatchObject({
      token: held.token,
      ttl: "30s",
    });
    expect(await (await call("DELETE", `${path}?token=${held.token}`)).json()).toEqual({
      name: "build",
      status: "released",
    });
    expect((await call("DELETE", `${path}?token=${held.token}`)).status).toBe(404);
    expect((await call("DELETE", path)).status).toBe(400);
    for (const json of [{ ttl: "10ms" }, { ttl: "25h" }, { token: 0 }, { holder: "a b" }]) {
      expect((await call("POST", path, { json })).status, JSON.stringify(json)).toBe(422);
    }
  });

  it("is not acquired by a list where an object is asked for", async () => {
    const { call } = await apiWorld();
    const headers = { "content-type": "application/json" };
    const answer = await call("POST", "/api/v1/locks/build", { body: "[]", headers });
    expect([answer.status, await codeOf(answer)]).toEqual([422, "invalid_body"]);
    expect(await (await call("GET", "/api/v1/locks/build")).json()).toMatchObject({ held: false });
  });

  it("protects a key: a write under a token that is not the lock's changes nothing", async () => {
    const { call, services } = await apiWorld();
    const acquire = async (): Promise<number> =>
      ((await (await call("POST", "/api/v1/locks/l", { json: { ttl: "5s" } })).json()) as { token: number })
        .token;
    const old = await acquire();
    const key = (fencing: number): string => `/api/v1/kv/a?lock=l&fencing_token=${fencing}`;
    expect((await call("PUT", key(old), text("1"))).status).toBe(201);
    services.control.elapsed_ms += 5_000;
    const now = await acquire();
    expect(await codeOf(await call("PUT", key(old), text("late")))).toBe("precondition_failed");
    expect((await call("DELETE", key(old))).status).toBe(412);
    expect(await (await call("GET", "/api/v1/kv/a")).text()).toBe("1");
    expect((await call("PUT", key(now), text("2"))).status).toBe(200);
    expect((await call("PUT", "/api/v1/kv/a?lock=l", text("3"))).status).toBe(400);
  });
});
