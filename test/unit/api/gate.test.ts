import { describe, expect, it } from "vitest";
import { accessOf, listedRoutes } from "../../../src/api/permissions.ts";
import type { MemoryServices } from "../../support/memory-services.ts";
import { apiWorld } from "../../support/api-world.ts";

/** Every route of the app, as the permission table writes it. */
async function routes(): Promise<readonly string[]> {
  const { app } = await apiWorld();
  return app.routes
    .filter(({ path, method }) => path !== "/*" || method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
}

const filled = (route: string): [string, string] => {
  const [method, path] = route.split(" ") as [string, string];
  return [method, path.replaceAll(/:[a-z]+/g, "x")];
};

describe("the gate", () => {
  it("knows every route of the app, and no other", async () => {
    const all = await routes();
    expect(all.length).toBeGreaterThan(35);
    expect(all.toSorted()).toEqual(listedRoutes.toSorted());
  });

  it("refuses a route that the table forgot, to the administrator too", async () => {
    const { app, admin } = await apiWorld();
    app.get("/api/v1/forgotten", (c) => c.text("secret"));
    const answer = await app.request("/api/v1/forgotten", { headers: { authorization: `Bearer ${admin}` } });
    expect(answer.status).toBe(403);
    expect(await answer.text()).not.toContain("secret");
  });

  it("refuses a route for every path, too: only what is mounted before all routes stands in front of it", async () => {
    const { app } = await apiWorld();
    app.get("*", (c) => c.text("secret"));
    const answer = await app.request("/anything");
    expect([answer.status, (await answer.text()).includes("secret")]).toEqual([401, false]);
  });

  it("asks every route but the public ones for a token", async () => {
    const { app } = await apiWorld();
    for (const route of await routes()) {
      const [method, path] = filled(route);
      const answer = await app.request(path, { method });
      if (accessOf(route) === "public") expect(answer.status, route).toBe(200);
      else {
        expect(answer.status, route).toBe(401);
        expect(answer.headers.get("www-authenticate"), route).toBe('Bearer realm="caxton"');
        expect(answer.headers.get("content-type"), route).toBe("application/problem+json");
        expect(await answer.json(), route).toMatchObject({
          code: "unauthenticated",
          status: 401,
          instance: path,
        });
      }
    }
  });

  it("gives every answer its ids and its security headers, refusals too", async () => {
    const { app, call } = await apiWorld();
    for (const route of [...(await routes()), "GET /nowhere", "PATCH /api/v1/agents"]) {
      const [method, path] = filled(route);
      if (path === "/api/v1/events") continue;
      for (const answer of [await app.request(path, { method }), await call(method, path)]) {
        expect(answer.headers.get("x-request-id"), route).toMatch(/^[0-9a-f]{16}$/);
        expect(answer.headers.get("traceparent"), route).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
        expect(answer.headers.get("x-content-type-options"), route).toBe("nosniff");
        expect(answer.headers.get("content-security-policy"), route).toContain("default-src 'none'");
        expect(answer.headers.get("access-control-allow-origin"), route).toBeNull();
      }
    }
  });

  it("lets each role do its part and no more", async () => {
    const { call, token, services } = await apiWorld();
    const cases: readonly (readonly [string, string, readonly string[]])[] = [
      ["GET", "/api/v1/cluster/members", ["admin", "operator", "developer", "viewer"]],
      ["GET", "/api/v1/messages", ["admin", "operator", "developer"]],
      ["POST", "/api/cluster/balance?strategy=random", ["admin", "operator"]],
      ["POST", "/api/v1/security/rotate-gossip-key", ["admin"]],
      ["POST", "/api/v1/messages", ["admin", "developer"]],
      ["PUT", "/api/v1/kv/a", ["admin", "developer"]],
      ["DELETE", "/api/v1/dead-letters?all=true", ["admin", "operator"]],
      ["DELETE", "/api/v1/agents/nobody", ["admin", "developer"]],
      ["GET", "/api/v1/agents/nobody", ["admin", "operator", "developer", "viewer"]],
      ["GET", "/api/v1/agents/nobody/logs", ["admin", "operator", "developer"]],
      ["POST", "/api/v1/agents/nobody/suspend", ["admin", "operator", "developer"]],
    ];
    for (const [method, path, allowed] of cases) {
      for (const role of ["admin", "operator", "developer", "viewer"] as const) {
        const answer = await call(method, path, {
          headers: { authorization: `Bearer ${await token(role)}` },
        });
        expect(answer.status === 403, `${role} ${method} ${path}`).toBe(!allowed.includes(role));
        if (answer.status === 403) expect(await answer.json()).toMatchObject({ code: "forbidden" });
      }
    }
    expect(services.left).toEqual([]);
  });

  it("names what is wrong with a token, and nothing of the token", async () => {
    const { app } = await apiWorld();
    for (const header of ["Bearer a.b.c", "bearer x.y.z", 'Bearer "><script>']) {
      const answer = await app.request("/api/v1/version", { headers: { authorization: header } });
      expect(answer.status, header).toBe(401);
      expect(answer.headers.get("www-authenticate")).toMatch(
        /^Bearer realm="caxton", error="invalid_token", error_description="[^"\\]+"$/,
      );
      expect(await answer.text()).not.toContain("script");
    }
    for (const header of ["Basic YTpi", "Bearer", "Bearer a b"]) {
      const answer = await app.request("/api/v1/version", { headers: { authorization: header } });
      expect(await answer.json(), header).toMatchObject({ status: 401 });
    }
  });

  it("keeps a caller's ids when they are well-formed, and ignores them when not", async () => {
    const { call } = await apiWorld();
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const ask = (headers: Record<string, string>) => call("GET", "/livez", { headers });
    const kept = await ask({ "x-request-id": "abc-123", traceparent: `00-${trace}-00f067aa0ba902b7-01` });
    expect(kept.headers.get("x-request-id")).toBe("abc-123");
    expect(kept.headers.get("traceparent")).toMatch(
      new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`),
    );
    for (const traceparent of [
      `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `ff-${trace}-00f067aa0ba902b7-01`,
      `00-${trace}-00f067aa0ba902b7-01-more`,
      "nonsense",
    ]) {
      expect((await ask({ traceparent })).headers.get("traceparent"), traceparent).not.toContain(trace);
    }
    expect(
      (await ask({ traceparent: `01-${trace}-00f067aa0ba902b7-03-more` })).headers.get("traceparent"),
    ).toContain(`${trace}`);
    for (const id of ["a b", "x".repeat(200), "<script>"]) {
      expect((await ask({ "x-request-id": id })).headers.get("x-request-id"), id).toMatch(/^[0-9a-f]{16}$/);
    }
  });

  it("answers an unknown path with 404 and a wrong method with 405 and the right ones", async () => {
    const { call } = await apiWorld();
    expect(await (await call("GET", "/api/v1/agentz")).json()).toMatchObject({
      code: "not_found",
      status: 404,
    });
    const wrong = await call("PATCH", "/api/v1/agents/x");
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("allow")).toBe("GET, PUT, DELETE");
    expect(await wrong.json()).toMatchObject({ code: "method_not_allowed" });
    expect((await call("HEAD", "/api/v1/cluster/members")).status).toBe(200);
    expect((await call("OPTIONS", "/api/v1/agents")).status).toBe(405);
  });

  it("opens to a browser's origin only when told", async () => {
    const { app } = await apiWorld({ corsOrigins: ["https://console.example"] });
    const preflight = (origin: string) =>
      app.request("/api/v1/agents", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "GET" },
      });
    expect((await preflight("https://console.example")).headers.get("access-control-allow-origin")).toBe(
      "https://console.example",
    );
    expect((await preflight("https://evil.example")).headers.get("access-control-allow-origin")).toBeNull();
  });

  it("tells the observer of every answer, with patterns and not paths", async () => {
    const seen: string[] = [];
    const { call, app } = await apiWorld({
      observer: { answered: ({ method, route, status }) => seen.push(`${method} ${route} ${status}`) },
    });
    await call("GET", "/api/v1/agents/one");
    await call("GET", `/nowhere/${Math.PI}`);
    await app.request("/api/v1/version");
    expect(seen).toEqual(["GET /api/v1/agents/:name 404", "none none 404", "GET /api/v1/version 401"]);
  });

  it("hides what broke inside and names the request under which the log has it", async () => {
    const { call, services } = await apiWorld();
    Object.assign(services.cluster as { -readonly [K in keyof MemoryServices["cluster"]]: unknown }, {
      status: () => Promise.reject(new Error("password=hunter2 at /srv/secret.ts")),
      members: () => {
        throw new TypeError("undefined is not hunter2");
      },
    });
    for (const path of ["/api/v1/cluster/status", "/api/v1/cluster/members"]) {
      const answer = await call("GET", path, { headers: { "x-request-id": "req-7" } });
      const text = await answer.text();
      expect(answer.status, path).toBe(500);
      expect(text).toContain("req-7");
      expect(text).not.toMatch(/hunter2|secret/);
      expect(answer.headers.get("x-request-id")).toBe("req-7");
    }
  });

  it("answers 504 when a service takes too long", async () => {
    const { call, services, clock } = await apiWorld({ requestTimeout_ms: 1_000 });
    Object.assign(services.cluster, { status: () => new Promise(() => {}) });
    // The token is remembered from here on: checking a signature would take real time.
    await call("GET", "/api/v1/version");
    const asked = call("GET", "/api/v1/cluster/status");
    let answer: Response | undefined;
    void asked.then((given) => (answer = given));
    expect(await clock.runUntilSettled(() => answer !== undefined, 5_000)).toBe(true);
    expect(answer?.status).toBe(504);
    expect(clock.now_ms()).toBe(1_000);
  });
});
