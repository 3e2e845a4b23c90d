import { describe, expect, test } from "vitest";
import { RequestIds, traceIdOf } from "../../../src/api/http/trace.ts";
import { seededEntropy } from "../../../src/platform/memory/entropy.ts";

describe("a request's ids", () => {
  test("are well formed, and of thousands no two are alike", () => {
    const ids = new RequestIds(seededEntropy(7));
    const [requests, traces, spans] = [new Set<string>(), new Set<string>(), new Set<string>()];
    for (let i = 0; i < 1_000; i++) {
      const id = ids.requestId(null);
      const traceparent = ids.traceparent(null);
      expect(id).toMatch(/^[0-9a-f]{16}$/);
      expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      requests.add(id);
      traces.add(traceIdOf(traceparent));
      spans.add(traceparent.slice(36, 52));
    }
    expect([requests.size, traces.size, spans.size]).toEqual([1_000, 1_000, 1_000]);
  });

  test("stay under the caller's trace, each with a span of its own", () => {
    const ids = new RequestIds(seededEntropy(7));
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const given = `00-${trace}-00f067aa0ba902b7-01`;
    const [first, second] = [ids.traceparent(given), ids.traceparent(given)];
    for (const own of [first, second]) {
      expect(traceIdOf(own)).toBe(trace);
      expect(own).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(own).not.toBe(given);
    }
    expect(first).not.toBe(second);
  });
});
