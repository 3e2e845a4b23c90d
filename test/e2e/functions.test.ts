/** The edge functions, the same files on four runtimes, against real listeners with a real API behind them. */
import { type IncomingHttpHeaders, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/platform/node/clock.ts";
import { makeSigningKey, readSigningKey } from "../../src/security/issuer-key.ts";
import { apiWorldAt } from "../support/api-world.ts";
import { freePort } from "../support/free-port.ts";
import {
  type EdgeRuntime,
  type RunningFunction,
  edgeRuntimes,
  missingRuntime,
  startFunction,
} from "../support/edge-runtimes.ts";

type World = Awaited<ReturnType<typeof apiWorldAt>>;

interface Listener {
  readonly url: string;
  close(): Promise<void>;
}

/** A node's API on loopback, and another address where nobody listens. */
let world: World;
let node: Listener;
/** Every path that a request got through to it. */
const reached: string[] = [];
let gone = "";
const running: RunningFunction[] = [];

function listen(app: { fetch: (request: Request) => Response | Promise<Response> }): Promise<Listener> {
  return new Promise((resolve) => {
    // Not its own Request and Response for all of the process: other files run in it, too.
    const options = { fetch: app.fetch, hostname: "127.0.0.1", port: 0, overrideGlobalObjects: false };
    const server = serve(options, ({ port }) => {
      const close = (): Promise<void> => new Promise((done) => server.close(() => done()));
      resolve({ url: `http://127.0.0.1:${port}`, close });
    });
  });
}

beforeAll(async () => {
  world = await apiWorldAt(systemClock);
  node = await listen({
    fetch: (request) => {
      reached.push(new URL(request.url).pathname);
      return world.app.fetch(request);
    },
  });
  gone = `http://127.0.0.1:${await freePort()}`;
});

afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await node.close();
});

async function start(
  runtime: EdgeRuntime,
  name: "gateway" | "status",
  variables: Record<string, string>,
): Promise<string> {
  const one = await startFunction(runtime, name, variables);
  running.push(one);
  return one.url;
}

const usable = edgeRuntimes.filter((runtime) => {
  const missing = missingRuntime(runtime);
  if (missing !== null) console.error(`SKIPPED: functions on ${runtime}: ${missing}`);
  return missing === null;
});

describe.each(usable)("functions on %s", (runtime) => {
  let gateway = "";
  let status = "";

  beforeAll(async () => {
    const issuer = { CAXTON_ISSUER: world.issuer };
    [gateway, status] = await Promise.all([
      start(runtime, "gateway", { CAXTON_NODES: `${gone},${node.url}`, ...issuer }),
      start(runtime, "status", {
        CAXTON_NODES: `${node.url},${gone}`,
        CAXTON_TOKEN: await world.token("viewer"),
      }),
    ]);
  });

  const ask = (path: string, init: RequestInit & { token?: string } = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${init.token ?? world.admin}`);
    return fetch(gateway + path, { ...init, headers });
  };

  it("carries authenticated requests to a ready node, passing over one that is gone", async () => {
    for (let i = 0; i < 6; i++) {
      const answer = await ask("/api/v1/cluster/members", { headers: { "x-request-id": `r-${i}` } });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-request-id")).toBe(`r-${i}`);
      expect(await answer.json()).toMatchObject({ self: "node-1" });
    }
  });

  it("carries bodies both ways, bytes unchanged", async () => {
    const content = "ü".repeat(300_000);
    const json = { performative: "request", receiver: "echo", content, wait: "5s" };
    const answer = await ask("/api/v1/messages", {
      method: "POST",
      body: JSON.stringify(json),
      headers: { "content-type": "application/json", "idempotency-key": "k" },
    });
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { reply: { content: string } }).reply.content).toBe(content);
    const wasm = new Uint8Array(2_000_000);
    const deployed = await ask("/api/v1/agents?name=edge", {
      method: "POST",
      body: wasm,
      headers: { "content-type": "application/wasm" },
    });
    expect([200, 201]).toContain(deployed.status);
    expect((await ask("/api/v1/agents/edge", { method: "DELETE" })).status).toBe(200);
  });

  it("refuses bad tokens itself, as problem documents", async () => {
    const stranger = await readSigningKey(await makeSigningKey());
    const now_s = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: world.issuer,
      aud: "caxton-api",
      sub: "eve",
      jti: "1",
      iat: now_s,
      nbf: now_s,
      exp: now_s + 60,
      roles: ["admin"],
    };
    const sign = (key: typeof stranger, change: object) =>
      new SignJWT({ ...claims, ...change })
        .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: key.publicJwk.kid })
        .sign(key.privateKey);
    const bad = [
      await sign(stranger, {}),
      await sign(world.key, { aud: "other" }),
      await sign(world.key, { iss: "caxton:other" }),
      await sign(world.key, { exp: now_s - 60 }),
      await sign(world.key, { nbf: now_s + 600 }),
      "a.b.c",
      "x",
      world.admin.slice(0, -6),
    ];
    reached.length = 0;
    for (const token of bad) {
      const answer = await ask("/api/v1/cluster/members", { token });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      expect(answer.headers.get("www-authenticate")).toContain("invalid_token");
      expect(await answer.json()).toMatchObject({ code: "unauthenticated" });
    }
    expect((await fetch(`${gateway}/api/v1/version`)).status).toBe(401);
    expect((await fetch(`${gateway}/anything`)).status).toBe(401);
    // The node would have refused them, too.
    expect(reached.filter((path) => path.startsWith("/api/") || path === "/anything")).toEqual([]);
    expect(await (await ask("/api/v1/version", { token: await sign(world.key, {}) })).json()).toMatchObject({
      node: "node-1",
    });
  });

  it("lets the public routes through, and the node decide on roles", async () => {
    expect((await fetch(`${gateway}/livez`)).status).toBe(200);
    expect(await (await fetch(`${gateway}/openapi.json`)).json()).toMatchObject({ openapi: "3.1.0" });
    const viewer = await world.token("viewer");
    expect((await ask("/api/v1/agents/x", { method: "DELETE", token: viewer })).status).toBe(403);
    expect(await (await ask("/api/v1/nowhere")).json()).toMatchObject({ code: "not_found" });
  });

  it("streams events through as they happen", async () => {
    const stop = new AbortController();
    const answer = await ask("/api/v1/events", { signal: stop.signal });
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value);
    expect(text).toContain("retry");
    world.services.emit("member.failed", `seen on ${runtime}`);
    while (!text.includes(`seen on ${runtime}`)) text += decoder.decode((await reader.read()).value);
    await reader.cancel();
    stop.abort();
  });

  it("refuses a body that is too large, said or streamed", async () => {
    const piece = new Uint8Array(1024 * 1024);
    let sent = 0;
    const streamed = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        if (sent > 20) controller.close();
        else controller.enqueue(piece);
      },
    });
    const large = new Uint8Array(18 * 1024 * 1024);
    for (const body of [large, streamed]) {
      const init: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
      const headers = { "content-type": "application/wasm" };
      // A server may also end the connection on a client that goes on sending after the refusal.
      const answer = await ask("/api/v1/agents?name=large", { ...init, headers }).catch(() => null);
      if (answer !== null) expect(answer.status).toBe(413);
    }
    expect((await ask("/api/v1/agents/large")).status).toBe(404);
  });

  it("shows the cluster's status, one node gone", async () => {
    const answer = await fetch(`${status}/`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      status: "degraded",
      nodes: [
        { url: node.url, node: "node-1", ready: true, problems: [] },
        { url: gone, node: null, ready: false },
      ],
      members: [
        { id: "node-1", status: "alive", agents: 50 },
        { id: "node-2", status: "alive" },
        { id: "node-3", status: "failed" },
      ],
    });
    expect((await fetch(`${status}/elsewhere`)).status).toBe(404);
    expect((await fetch(`${status}/`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${status}/`, { method: "HEAD" })).status).toBe(200);
  });
});

describe("functions that cannot work say why", () => {
  it("on no runtime at all is a failure of this suite, not a pass", () => {
    expect(usable.length).toBeGreaterThanOrEqual(1);
    console.info(
      `functions ran on ${usable.length} of ${edgeRuntimes.length} runtimes: ${usable.join(", ")}`,
    );
  });

  it("when no node answers", async () => {
    const gateway = await start("bun", "gateway", { CAXTON_NODES: gone, CAXTON_ISSUER: world.issuer });
    const status = await start("bun", "status", { CAXTON_NODES: gone });
    const answer = await fetch(`${gateway}/api/v1/version`, {
      headers: { authorization: `Bearer ${world.admin}` },
    });
    expect(await answer.json()).toMatchObject({ status: 503, code: "unavailable" });
    expect(await (await fetch(`${gateway}/livez`)).json()).toMatchObject({
      status: 503,
      code: "unreachable",
    });
    const seen = await fetch(status);
    expect(seen.status).toBe(503);
    expect(await seen.json()).toMatchObject({ status: "down", members: null });
  });

  it("when a setting is missing or wrong", async () => {
    for (const variables of [
      { CAXTON_NODES: "" },
      { CAXTON_NODES: "node-1:8080" },
      { CAXTON_NODES: "http://a/path" },
    ]) {
      const status = await start("bun", "status", variables);
      expect(await (await fetch(status)).json()).toMatchObject({
        code: "invalid_config",
        detail: expect.stringContaining("CAXTON_NODES"),
      });
    }
  });
});

describe("the gateway between client and node", () => {
  it("drops hop-by-hop headers, repeats reads once and never writes", async () => {
    const seen: { method: string; headers: IncomingHttpHeaders }[] = [];
    const upstream = createServer((request, response) => {
      if (request.url === "/.well-known/jwks.json") {
        response.end(JSON.stringify({ keys: world.keys.all() }));
      } else if (request.url === "/readyz") {
        response.end("{}");
      } else {
        seen.push({ method: request.method ?? "", headers: request.headers });
        request.resume();
        response.writeHead(503, {
          "content-type": "application/json",
          connection: "close, x-secret",
          "x-secret": "1",
          "x-kept": "2",
        });
        response.end("{}");
      }
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const second = createServer((request, response) => upstream.emit("request", request, response));
    await new Promise<void>((resolve) => second.listen(0, "127.0.0.1", resolve));
    const other = `http://127.0.0.1:${(second.address() as AddressInfo).port}`;
    const gateway = await start("bun", "gateway", {
      CAXTON_NODES: `${url},${other}`,
      CAXTON_ISSUER: world.issuer,
    });
    const headers = {
      authorization: `Bearer ${world.admin}`,
      "proxy-authorization": "secret",
      te: "trailers",
      "x-mine": "kept",
    };
    const read = await fetch(`${gateway}/api/v1/version`, { headers });
    expect(read.status).toBe(503);
    expect(read.headers.get("x-kept")).toBe("2");
    expect(read.headers.get("x-secret")).toBeNull();
    expect(seen.map(({ method }) => method)).toEqual(["GET", "GET"]);
    expect(seen[0]?.headers["x-mine"]).toBe("kept");
    expect(seen[0]?.headers["via"]).toBe("1.1 caxton-gateway");
    for (const name of ["proxy-authorization", "te"]) expect(seen[0]?.headers[name], name).toBeUndefined();
    for (const method of ["POST", "PUT", "DELETE"]) {
      seen.length = 0;
      const body = method === "DELETE" ? null : "{}";
      await fetch(`${gateway}/api/v1/messages`, {
        method,
        body,
        headers: { ...headers, "idempotency-key": "k" },
      });
      expect(
        seen.map((one) => one.method),
        method,
      ).toEqual([method]);
    }
    await new Promise((resolve) => upstream.close(resolve));
    await new Promise((resolve) => second.close(resolve));
  });

  it("ends a body without a length at the limit, whatever the node would take", async () => {
    let received = 0;
    const upstream = createServer((request, response) => {
      if (request.url === "/readyz") return response.end("{}");
      if (request.url === "/.well-known/jwks.json")
        return response.end(JSON.stringify({ keys: world.keys.all() }));
      request.on("error", () => undefined);
      request.on("data", (chunk: Uint8Array) => (received += chunk.length));
      return request.on("end", () => response.end("{}"));
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const gateway = await start("bun", "gateway", { CAXTON_NODES: url, CAXTON_ISSUER: world.issuer });
    let left = 20;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- === 0) controller.close();
        else controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const headers = { authorization: `Bearer ${world.admin}` };
    const init: RequestInit & { duplex: "half" } = { method: "POST", body, headers, duplex: "half" };
    const answer = await fetch(`${gateway}/api/v1/messages`, init).catch(() => null);
    expect(received).toBeGreaterThan(0);
    if (answer !== null) expect(answer.status).toBe(413);
    expect(received).toBeLessThanOrEqual(17 * 1024 * 1024);
    await new Promise((resolve) => upstream.close(resolve));
  });
});
