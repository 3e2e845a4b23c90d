import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { apiWorld } from "../../support/api-world.ts";
import { freePort } from "../../support/free-port.ts";

async function world() {
  const api = await apiWorld();
  const requests: RequestInit[] = [];
  const client = createClient({
    url: "http://node/",
    token: api.admin,
    requestTimeout_ms: 5_000,
    fetch: async (url, init) => {
      requests.push(init);
      return await api.app.fetch(new Request(url, init));
    },
  });
  return { ...api, client, requests };
}
const wasm = new Uint8Array([0, 97, 115, 109]);

describe("an address without TLS where a listener speaks it", () => {
  it("is told with the address to try", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.destroy());
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as { readonly port: number };
      const client = createClient({ url: `http://127.0.0.1:${port}`, token: null, requestTimeout_ms: 5_000 });
      await expect(client.cluster.members()).rejects.toMatchObject({
        code: "unreachable",
        message:
          `Cannot reach http://127.0.0.1:${port}: connection closed. ` +
          `If it speaks TLS, it is https://127.0.0.1:${port}`,
      });
    } finally {
      await new Promise((resolve) => void server.close(resolve));
    }
  });
});

describe("the client", () => {
  it("reads the cluster, following pages to the end", async () => {
    const { client, services } = await world();
    for (let i = 10; i < 2_500; i++) services.known.push(services.member(`extra-${i}`, "alive"));
    const { self, members } = await client.cluster.members();
    expect(self).toBe("node-1");
    expect(members).toHaveLength(services.known.length);
    expect(new Set(members.map(({ id }) => id)).size).toBe(members.length);
    expect(await client.cluster.status()).toMatchObject({
      operations: "READ-WRITE",
      nodes_active: 2,
      leader: null,
    });
    expect(await client.cluster.ping("node-2")).toMatchObject({
      udp_ms: 0.5,
      estimate_ms: 0.6,
      stream_ms: null,
    });
    expect((await client.cluster.verifyAuth()).nodes[0]).toMatchObject({ gossip_key: "match" });
    expect((await client.cluster.performance()).rows[0]).toMatchObject({ actual_ms: null });
  });

  it("operates the cluster", async () => {
    const { client, services } = await world();
    expect(await client.cluster.leave({ node: "node-2", handOver: true, drainTimeout_ms: 90_000 })).toEqual({
      node: "node-2",
      status: "leaving",
    });
    expect(services.left).toEqual([{ node: "node-2", drain_ms: 90_000 }]);
    await expect(client.cluster.remove("node-2", false)).rejects.toMatchObject({ code: "conflict", exit: 6 });
    expect(await client.cluster.remove("node-2", true)).toEqual({ node: "node-2", status: "removed" });
    expect(await client.cluster.setBalance("round-robin")).toMatchObject({ strategy: "round_robin" });
    expect(await client.cluster.balance()).toMatchObject({ strategy: "round_robin" });
  });

  it("deploys and operates agents", async () => {
    const { client } = await world();
    const deployed = await client.agents.deploy(wasm, {
      name: "echo",
      memory: "16MiB",
      capabilities: "log,send",
    });
    expect(deployed).toMatchObject({
      created: true,
      agent: { name: "echo", detail: { limits: { memory_bytes: 16_777_216 } } },
    });
    expect(await client.agents.deploy(wasm, { name: "echo" })).toMatchObject({
      created: false,
      agent: { revision: 2 },
    });
    expect(await client.agents.list()).toMatchObject([{ name: "echo", detail: null }]);
    expect(await client.agents.list({ node: "node-9" })).toEqual([]);
    expect(await client.agents.suspend("echo")).toEqual({ name: "echo", status: "suspended" });
    expect(await client.agents.show("echo")).toMatchObject({ status: "suspended" });
    expect(await client.agents.resume("echo")).toMatchObject({ status: "running" });
    expect(await client.agents.logs("echo")).toEqual({ name: "echo", lines: [] });
    expect(await client.agents.remove("echo")).toMatchObject({ status: "removed" });
    await expect(client.agents.show("echo")).rejects.toMatchObject({ code: "agent_not_found" });
    await expect(client.agents.show("../../x")).rejects.toMatchObject({ code: "invalid_argument" });
  });

  it("sends messages, with wait and idempotency key, and reads what became of them", async () => {
    const { client, services } = await world();
    const message = { performative: "request", receiver: "echo", content: "hello" };
    expect(await client.messages.send(message)).toMatchObject({ status: "delivered", reply: null });
    const answered = await client.messages.send(message, { wait_ms: 5_000, idempotencyKey: "k1" });
    expect(answered.reply).toMatchObject({ performative: "inform", content: "hello" });
    expect(services.sent[1]).toMatchObject({ wait_ms: 5_000, idempotencyKey: "k1", principal: "admin-user" });
    await expect(
      client.messages.send({ ...message, receiver: "mute" }, { wait_ms: 1 }),
    ).rejects.toMatchObject({ code: "timeout" });
    expect((await client.messages.list({ limit: 1 })).next_cursor).toBe("1");
    expect((await client.messages.conversations()).conversations[0]).toMatchObject({ id: "c1", messages: 2 });
    await expect(client.messages.conversation("c1")).rejects.toMatchObject({ code: "not_found" });
    const [{ message: sent }] = services.sent as [(typeof services.sent)[number]];
    for (const id of [1, 2, 3, 4]) services.deadLetter(id, sent);
    expect((await client.messages.deadLetters()).dead_letters[0]).toMatchObject({
      reason: "unknown_agent",
      message: { content: "hello" },
    });
    expect(await client.messages.replayDeadLetters([1])).toEqual({
      replayed: 1,
      not_asked: [],
      no_answer: [],
    });
    expect(await client.messages.purgeDeadLetters([2])).toMatchObject({ purged: 1 });
    expect(await client.messages.purgeDeadLetters("all")).toMatchObject({ purged: 2 });
  });

  it("reads health from a node that is not ready, and its version", async () => {
    const { client, services } = await world();
    expect(await client.system.ready()).toMatchObject({ status: "ok" });
    services.healthy = false;
    expect(await client.system.ready()).toMatchObject({ status: "failing" });
    expect(await client.system.version()).toMatchObject({ api: "v1", version: "0.0.0-test" });
    expect(await client.system.openapi()).toMatchObject({ openapi: "3.1.0" });
  });

  it("never keeps the connection of a DELETE, which Bun would silently repeat", async () => {
    const { client, requests } = await world();
    await client.agents.remove("echo").catch(() => undefined);
    expect(requests[0]).toMatchObject({ method: "DELETE", keepalive: false });
  });

  it("says what to do when no node answers", async () => {
    const port = await freePort();
    const client = createClient({ url: `http://127.0.0.1:${port}`, token: null, requestTimeout_ms: 5_000 });
    await expect(client.cluster.status()).rejects.toMatchObject({
      code: "unreachable",
      exit: 3,
      message: `Cannot reach http://127.0.0.1:${port}: connection refused. Is the node running?`,
    });
  });

  it("gives up on a node that accepts and says nothing", async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const client = createClient({ url: `http://127.0.0.1:${port}`, token: null, requestTimeout_ms: 50 });
    await expect(client.cluster.status()).rejects.toMatchObject({ code: "timeout" });
    server.close();
  });

  it("maps answers that are no problem documents by their status", async () => {
    const answering = (status: number, body: string) =>
      createClient({
        url: "http://proxy",
        token: "t",
        requestTimeout_ms: 1_000,
        fetch: async () => new Response(body, { status }),
      });
    await expect(answering(401, "<html>").cluster.status()).rejects.toMatchObject({
      code: "unauthenticated",
    });
    await expect(answering(502, "").cluster.status()).rejects.toMatchObject({ code: "unreachable" });
    await expect(answering(418, "null").cluster.status()).rejects.toMatchObject({ code: "invalid_argument" });
    await expect(
      answering(599, '{"code":"new_code","detail":"later"}').cluster.status(),
    ).rejects.toMatchObject({ code: "internal", message: "later" });
    await expect(answering(200, "<html>").cluster.status()).rejects.toThrow("is this address a Caxton node?");
  });

  it("refuses an address that is none", () => {
    for (const url of ["", "localhost:8080", "ftp://x", "http://"]) {
      expect(() => createClient({ url, token: null, requestTimeout_ms: 1 }), url).toThrow(
        "is not like http://",
      );
    }
  });
});
