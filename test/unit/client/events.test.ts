import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { EventParser } from "../../../src/client/event-parser.ts";
import { apiWorld } from "../../support/api-world.ts";

describe("events at the client", () => {
  it("arrive in order, filtered, and resume after a broken connection without loss", async () => {
    const { app, services, admin } = await apiWorld();
    let connections = 0;
    let cut = (): void => {};
    const client = createClient({
      url: "http://node",
      token: admin,
      requestTimeout_ms: 5_000,
      fetch: async (url, init) => {
        connections += 1;
        const response = await app.fetch(new Request(url, init));
        if (connections > 1) return response;
        // The first connection breaks in the middle.
        const reader = (response.body as ReadableStream<Uint8Array>).getReader();
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            cut = () => {
              controller.error(new Error("connection reset"));
              void reader.cancel();
            };
          },
          async pull(controller) {
            const { value } = await reader.read();
            if (value !== undefined) controller.enqueue(value);
          },
        });
        return new Response(body, { headers: response.headers });
      },
    });
    const stop = new AbortController();
    const texts: string[] = [];
    const breaks: string[] = [];
    let returns = 0;
    services.emit("member.joined", "before");
    const following = client.events.follow({
      signal: stop.signal,
      types: ["member.*"],
      after: 0,
      broken: (error) => breaks.push(error.code),
      back: () => (returns += 1),
    });
    for await (const event of following) {
      texts.push(event.text);
      if (texts.length === 1) {
        services.emit("agent.trap", "not wanted");
        cut();
        services.emit("member.failed", "during the break");
        services.emit("member.left", "and after");
      }
      if (texts.length === 3) stop.abort();
    }
    expect(texts).toEqual(["before", "during the break", "and after"]);
    expect(connections).toBe(2);
    expect([breaks, returns]).toEqual([["unreachable"], 1]);
  });

  it("end with the refusal when the token is not accepted", async () => {
    const { app } = await apiWorld();
    const client = createClient({
      url: "http://node",
      token: "a.b.c",
      requestTimeout_ms: 5_000,
      fetch: async (u, i) => app.fetch(new Request(u, i)),
    });
    const first = client.events
      .follow({ signal: new AbortController().signal })
      [Symbol.asyncIterator]()
      .next();
    await expect(first).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("are found wherever the bytes are cut", () => {
    const stream =
      'retry: 1000\n\n: still here\n\nid: 1\nevent: a.b\ndata: {"x":"grün"}\n\nid: 2\r\ndata:two\r\ndata: lines\r\n\r\n';
    const bytes = new TextEncoder().encode(stream);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        const parser = new EventParser();
        const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const data = at.slice(1).flatMap((end, i) => parser.push(bytes.subarray(at[i], end)));
        expect(data).toEqual(['{"x":"grün"}', "two\nlines"]);
      }),
      { numRuns: 60 },
    );
  });

  it("without end are refused", () => {
    const parser = new EventParser();
    expect(() => parser.push(new TextEncoder().encode(`data: ${"x".repeat(1_100_000)}`))).toThrow("too long");
  });
});
