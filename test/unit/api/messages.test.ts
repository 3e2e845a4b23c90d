import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { messageAnswer, messageOf, sendBody } from "../../../src/api/messages/message.ts";
import type { MessageId } from "../../../src/base/ids.ts";
import {
  contentLimit_bytes,
  decodeMessage,
  deliveries,
  encodeMessage,
  performatives,
} from "../../../src/wire/message.ts";
import * as v from "valibot";
import { apiWorld } from "../../support/api-world.ts";

const path = "/api/v1/messages";
const good = { performative: "request", receiver: "echo", content: "hello" };
const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe("messages as JSON", () => {
  it("come back as they were sent, whatever their content", () => {
    const token = fc.stringMatching(/^[!-~]{1,20}$/);
    const body = fc.record(
      {
        performative: fc.constantFrom(...performatives),
        receiver: token,
        content: fc.string({ minLength: 1, unit: "grapheme" }),
        conversation_id: token,
        reply_with: token,
        in_reply_to: token,
        reply_to: token,
        protocol: token,
        language: token,
        ontology: token,
        priority: fc.constantFrom("low", "normal", "high", "critical"),
        delivery: fc.constantFrom(...deliveries),
      },
      { requiredKeys: ["performative", "receiver", "content"] },
    );
    fc.assert(
      fc.property(body, (given) => {
        const parsed = v.parse(sendBody, given);
        const message = messageOf(parsed, 1_000, trace);
        const {
          message_id: _,
          sender: __,
          created_at: ___,
          trace_context: ____,
          ...shown
        } = messageAnswer(decodeMessage(encodeMessage(message)));
        expect(shown).toEqual({ priority: "normal", delivery: "at_least_once", ...given });
      }),
      { numRuns: 100 },
    );
  });

  it("carry bytes as base64, both ways, and say so only when they must", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        const content = Buffer.from(bytes).toString("base64");
        const message = messageOf(
          v.parse(sendBody, { ...good, content, content_encoding: "base64" }),
          0,
          trace,
        );
        expect(message.content).toEqual(bytes);
        const shown = messageAnswer(message);
        const back =
          shown.content_encoding === "base64"
            ? Buffer.from(shown.content, "base64")
            : Buffer.from(shown.content);
        expect(new Uint8Array(back)).toEqual(bytes);
        const valid = Buffer.from(bytes.toString()).length > 0 && !shown.content_encoding;
        if (valid) expect(Buffer.from(shown.content)).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 100 },
    );
  });

  it("take any JSON value as content, as its JSON text", async () => {
    const { call, services } = await apiWorld();
    const values = [{ a: [1, "ü"] }, 7, true, null, "text"];
    for (const content of values)
      expect((await call("POST", path, { json: { ...good, content } })).status).toBe(202);
    expect(services.sent.map(({ message }) => textOf(message.content))).toEqual([
      '{"a":[1,"ü"]}',
      "7",
      "true",
      "null",
      "text",
    ]);
  });
});

describe("sending", () => {
  it("answers 202 with the id, and with wait 200 with the reply", async () => {
    const { call, services } = await apiWorld();
    const accepted = await call("POST", path, {
      json: { ...good, performative: "QUERY_IF" },
      headers: { traceparent: trace },
    });
    expect(accepted.status).toBe(202);
    expect(await accepted.json()).toMatchObject({ status: "delivered", reply: null });
    expect(services.sent[0]?.message).toMatchObject({
      performative: "query-if",
      priority: "normal",
      delivery: "at_least_once",
    });
    expect(services.sent[0]?.message.traceContext).toContain("4bf92f3577b34da6a3ce929d0e0e4736");
    for (const answer of [
      await call("POST", `${path}?wait=5s`, { json: good }),
      await call("POST", path, { json: { ...good, wait: "5s" } }),
    ]) {
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({
        reply: { performative: "inform", content: "hello", sender: "echo" },
      });
    }
    expect(services.sent[1]?.wait_ms).toBe(5_000);
  });

  it("answers 504 when no reply came, and 404 when nobody has the agent", async () => {
    const { call } = await apiWorld();
    expect(
      await (await call("POST", `${path}?wait=1s`, { json: { ...good, receiver: "mute" } })).json(),
    ).toMatchObject({ status: 504, code: "timeout", retryable: true });
    expect(await (await call("POST", path, { json: { ...good, receiver: "nobody" } })).json()).toMatchObject({
      status: 404,
      code: "agent_not_found",
    });
  });

  it("passes the idempotency key and the token's subject on", async () => {
    const { call, services, token } = await apiWorld();
    const headers = {
      "idempotency-key": "k-1",
      authorization: `Bearer ${await token("developer", "alice")}`,
    };
    await call("POST", path, { json: good, headers });
    expect(services.sent[0]).toMatchObject({ idempotencyKey: "k-1", principal: "alice" });
    expect((await call("POST", path, { json: good, headers: { "idempotency-key": "a b" } })).status).toBe(
      400,
    );
  });

  it("lets a client speak in its own name only", async () => {
    const { call, services } = await apiWorld();
    expect((await call("POST", path, { json: { ...good, sender: "~admin-user" } })).status).toBe(202);
    expect(services.sent).toHaveLength(1);
    for (const sender of ["echo", "~alice", "~admin-user.x", "~admin-user@node-2", ""]) {
      expect(await (await call("POST", path, { json: { ...good, sender } })).json(), sender).toMatchObject({
        status: 403,
        code: "forbidden",
      });
    }
    expect(services.sent).toHaveLength(1);
  });

  it("takes reply_by as a time or as how long from now", async () => {
    const { call, services, clock } = await apiWorld();
    await call("POST", path, { json: { ...good, reply_by: "2026-02-01T00:00:00Z" } });
    await call("POST", path, { json: { ...good, reply_by: "30s" } });
    expect(services.sent.map(({ message }) => message.replyBy_ms)).toEqual([
      Date.UTC(2026, 1, 1),
      clock.wall_ms() + 30_000,
    ]);
    for (const reply_by of ["soon", "2026-13-01T00:00:00Z", ""]) {
      expect([400, 422], reply_by).toContain(
        (await call("POST", path, { json: { ...good, reply_by } })).status,
      );
    }
  });

  it("refuses content that is empty, too large or not what it says", async () => {
    const { call, services } = await apiWorld();
    const problem = async (json: object): Promise<unknown> =>
      (await call("POST", path, { json: { ...good, ...json } })).json();
    expect(await problem({ content: "" })).toMatchObject({ code: "invalid_message", status: 422 });
    expect(await problem({ content: "@@@@", content_encoding: "base64" })).toMatchObject({
      code: "invalid_body",
    });
    expect(await problem({ content: { a: 1 }, content_encoding: "base64" })).toMatchObject({
      code: "invalid_body",
    });
    expect(await problem({ content_encoding: "gzip" })).toMatchObject({ code: "invalid_body" });
    expect(await problem({ content: "x".repeat(contentLimit_bytes + 1) })).toMatchObject({
      code: "payload_too_large",
      status: 413,
    });
    expect(await problem({ wait: "1h" })).toMatchObject({ code: "invalid_body" });
    expect(await problem({ receiver: "a\nb" })).toMatchObject({ code: "invalid_body" });
    expect((await call("POST", `${path}?wait=1s`, { json: { ...good, wait: "1s" } })).status).toBe(400);
    expect(services.sent).toEqual([]);
    expect(
      (await call("POST", path, { json: { ...good, content: "x".repeat(contentLimit_bytes) } })).status,
    ).toBe(202);
  });
});

describe("content", () => {
  it("with half of a surrogate pair is refused, not altered; in a JSON value it stays as it was written", async () => {
    const { call, services } = await apiWorld();
    const send = (content: string) =>
      call("POST", "/api/v1/messages", {
        body: `{"performative":"request","receiver":"echo","content":${content}}`,
        headers: { "content-type": "application/json" },
      });
    const refused = await send('"a\\ud800b"');
    expect(refused.status).toBe(422);
    expect(((await refused.json()) as { detail: string }).detail).toContain("surrogate");
    expect(services.sent).toEqual([]);
    expect((await send('"\\ud83d\\ude00"')).status).toBe(202);
    expect((await send('{"text":"\\ud800"}')).status).toBe(202);
    expect(services.sent.map(({ message }) => new TextDecoder().decode(message.content))).toEqual([
      "\u{1f600}",
      '{"text":"\\ud800"}',
    ]);
  });
});

describe("conversations", () => {
  it("that this node does not keep are 404, and an end of one that it keeps is not", async () => {
    const { call } = await apiWorld();
    await call("POST", "/api/v1/messages", { json: { ...good, conversation_id: "c1" } });
    expect((await call("GET", "/api/v1/conversations/c1")).status).toBe(200);
    expect((await call("GET", "/api/v1/conversations/c1?cursor=9")).status).toBe(200);
    expect((await call("GET", "/api/v1/conversations/c2")).status).toBe(404);
    expect((await call("GET", "/api/v1/messages?conversation=c2")).status).toBe(200);
  });
});

describe("dead letters", () => {
  it("are replayed or purged by id, or all when one says so, never by saying nothing", async () => {
    const { call, services } = await apiWorld();
    const message = {
      ...messageOf(v.parse(sendBody, good), 0, trace),
      messageId: "0190a000-0000-7000-8000-000000000001" as MessageId,
    };
    for (const id of [1, 2, 3]) services.deadLetter(id, message);
    const replay = (json: object) => call("POST", "/api/v1/dead-letters/replay", { json });
    for (const json of [
      {},
      { ids: [1], all: true },
      { ids: [] },
      { ids: [-1] },
      { ids: [1.5] },
      { ids: "all" },
      { all: false },
    ]) {
      expect([400, 422], JSON.stringify(json)).toContain((await replay(json)).status);
    }
    for (const query of ["", "?ids=1&all=true", "?ids=x", "?all=yes"]) {
      expect((await call("DELETE", `/api/v1/dead-letters${query}`)).status, query).toBe(400);
    }
    expect(services.letters).toHaveLength(3);
    expect(await (await replay({ ids: [1] })).json()).toMatchObject({ replayed: 1 });
    expect(await (await call("DELETE", "/api/v1/dead-letters?ids=2,9")).json()).toMatchObject({ purged: 1 });
    expect(await (await call("GET", "/api/v1/dead-letters")).json()).toMatchObject({
      dead_letters: [{ id: 3, message: { content: "hello" } }],
    });
    expect(await (await replay({ all: true })).json()).toMatchObject({ replayed: 1 });
  });
});
