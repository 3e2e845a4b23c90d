import { describe, expect, it } from "vitest";
import { streamsOfOne_max, streams_max } from "../../../src/api/events/events.ts";
import { typeFilter } from "../../../src/api/events/type-globs.ts";
import { apiWorld } from "../../support/api-world.ts";

/** Reads what is there and what comes, as text, until `text` is in it. */
function reader(answer: Response) {
  const stream = (answer.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  const seen = { text: "", done: false };
  return {
    seen,
    until: async (text: string): Promise<string> => {
      while (!seen.text.includes(text) && !seen.done) {
        const { done, value } = await stream.read();
        seen.done = done;
        if (value !== undefined) seen.text += decoder.decode(value, { stream: true });
      }
      return seen.text;
    },
    end: async (): Promise<void> => {
      while (!seen.done) seen.done = (await stream.read()).done;
    },
    cancel: () => stream.cancel(),
  };
}

describe("the event stream", () => {
  it("gives live events with their ids", async () => {
    const { call, services } = await apiWorld();
    services.emit("member.joined", "before");
    const answer = await call("GET", "/api/v1/events");
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(answer.headers.get("etag")).toBeNull();
    const events = reader(answer);
    await events.until("retry: 1000");
    services.emit("member.failed", "Node node-2 detected as failed");
    const text = await events.until("detected as failed");
    expect(text).toContain(
      'id: 2\nevent: member.failed\ndata: {"id":2,"node":"node-1","type":"member.failed","level":"info"',
    );
    expect(text).not.toContain("before");
    await events.cancel();
  });

  it("resumes after Last-Event-ID, or after=, the header winning", async () => {
    const { call, services } = await apiWorld();
    for (const text of ["one", "two", "three"]) services.emit("a.b", text);
    const resumed = reader(
      await call("GET", "/api/v1/events?after=0", { headers: { "last-event-id": "2" } }),
    );
    expect(await resumed.until("three")).not.toContain("two");
    const from = reader(await call("GET", "/api/v1/events?after=1"));
    expect(await from.until("three")).toContain("two");
    const odd = reader(await call("GET", "/api/v1/events?after=0", { headers: { "last-event-id": "abc" } }));
    expect(await odd.until("three")).toContain("one");
    for (const one of [resumed, from, odd]) await one.cancel();
  });

  it("gives only the types asked for", async () => {
    const { call, services } = await apiWorld();
    const events = reader(await call("GET", "/api/v1/events?types=member.*,agent.trap"));
    await events.until("retry");
    for (const type of ["agent.deployed", "member.left", "agent.trap"]) services.emit(type, type);
    const text = await events.until("event: agent.trap");
    expect(text).toContain("event: member.left");
    expect(text).not.toContain("agent.deployed");
    await events.cancel();
  });

  it("says that it is still there when nothing happens", async () => {
    const { call, clock } = await apiWorld();
    const events = reader(await call("GET", "/api/v1/events"));
    await events.until("retry");
    clock.advance(8_500);
    expect(await events.until(": still here")).toContain(": still here\n\n");
    await events.cancel();
  });

  it("ends when the token expires", async () => {
    const { call, clock } = await apiWorld();
    const events = reader(await call("GET", "/api/v1/events"));
    await events.until("retry");
    clock.advance(3_601_000);
    await events.end();
    expect(events.seen.done).toBe(true);
  });

  it("lets its source go when the reader goes", async () => {
    const { call, services } = await apiWorld();
    const events = reader(await call("GET", "/api/v1/events"));
    await events.until("retry");
    await events.cancel();
    for (let turn = 0; services.followers > 0 && turn < 100; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    expect(services.followers).toBe(0);
  });

  it("takes events from its source only as the reader takes them", async () => {
    const { call, services } = await apiWorld();
    let given = 0;
    Object.assign(services.events, {
      async *follow() {
        for (; given < 100_000; given++)
          yield { id: given, type: "a.b", level: "info", at_ms: 0, text: "x".repeat(100), data: {} };
      },
    });
    const events = reader(await call("GET", "/api/v1/events"));
    await events.until("id: 3\n");
    expect(given).toBeLessThan(20);
    await events.cancel();
  });

  it("is refused beyond its number, and again allowed when one ended", async () => {
    const { call, token } = await apiWorld();
    const open = [];
    for (let i = 0; i < streams_max; i++) {
      const subject = `viewer-${Math.floor(i / streamsOfOne_max)}`;
      const headers = { authorization: `Bearer ${await token("viewer", subject)}` };
      open.push(reader(await call("GET", "/api/v1/events", { headers })));
    }
    const refused = await call("GET", "/api/v1/events");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("1");
    await open[0]?.cancel();
    const again = await call("GET", "/api/v1/events");
    expect(again.status).toBe(200);
    await again.body?.cancel();
    for (const one of open) await one.cancel();
  });

  it("is refused to one subject beyond its share, and not to others", async () => {
    const { call, token } = await apiWorld();
    const headers = { authorization: `Bearer ${await token("viewer")}` };
    const open = [];
    for (let i = 0; i < streamsOfOne_max; i++)
      open.push(reader(await call("GET", "/api/v1/events", { headers })));
    expect((await call("GET", "/api/v1/events", { headers })).status).toBe(429);
    open.push(reader(await call("GET", "/api/v1/events")));
    await open[0]?.cancel();
    const again = await call("GET", "/api/v1/events", { headers });
    expect(again.status).toBe(200);
    await again.body?.cancel();
    for (const one of open) await one.cancel();
  });
});

describe("event type globs", () => {
  it("match as a reader expects", () => {
    const cases: readonly (readonly [string, string, boolean])[] = [
      ["member.*", "member.failed", true],
      ["member.*", "members.failed", false],
      ["*", "anything.at_all", true],
      ["*.failed", "member.failed", true],
      ["*.failed", "member.failed.x", false],
      ["a*b*c", "a.b.c", true],
      ["a*b*c", "a.c.b", false],
      ["a*a", "a", false],
      ["agent.trap", "agent.trap", true],
      ["agent.trap", "agent.traps", false],
      ["x.*,agent.*", "agent.trap", true],
    ];
    for (const [globs, type, expected] of cases)
      expect(typeFilter(globs)(type), `${globs} ${type}`).toBe(expected);
    expect(typeFilter(undefined)("a.b")).toBe(true);
    for (const bad of [
      "",
      "a,,b",
      "A",
      "a b",
      "x".repeat(65),
      Array.from({ length: 21 }, () => "a").join(","),
    ]) {
      expect(() => typeFilter(bad), bad).toThrow();
    }
  });

  it("stay linear for stars without end", () => {
    expect(typeFilter("*a".repeat(30))("a".repeat(60))).toBe(true);
    expect(typeFilter("*a".repeat(30))(`${"a".repeat(100_000)}b`)).toBe(false);
  });
});
