import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyBudget, bodiesLimit_bytes, readBody } from "../../../src/api/http/body.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { depth_max, parseJson, values_max } from "../../../src/api/http/json-text.ts";
import { apiWorld } from "../../support/api-world.ts";

const path = "/api/v1/messages";
const good = { performative: "request", receiver: "echo", content: "x" };

/** A body that arrives piece by piece, and how much of it was taken. */
function streamed(piece: Uint8Array, count: number) {
  const taken = { pieces: 0 };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (taken.pieces === count) controller.close();
        else {
          taken.pieces += 1;
          controller.enqueue(piece);
        }
      },
    },
    { highWaterMark: 0 },
  );
  return { body, taken };
}

function countedBudget() {
  const held = { bytes: 0, most: 0 };
  class Counted extends BodyBudget {
    override take(bytes: number): void {
      super.take(bytes);
      held.bytes += bytes;
      held.most = Math.max(held.most, held.bytes);
    }
    override giveBack(bytes: number): void {
      super.giveBack(bytes);
      held.bytes -= bytes;
    }
  }
  return { held, budget: new Counted(new VirtualClock()) };
}

describe("bodies", () => {
  it("that are no JSON are refused with the place", async () => {
    const { call } = await apiWorld();
    const cases: readonly (readonly [string, string])[] = [
      ['{"a":1,}', 'unexpected "}" at line 1, column 8'],
      ['{\n  "a": 1\n  "b": 2}', 'unexpected "\\"" at line 3, column 3'],
      ['{"a":', "unexpected the end at line 1, column 6"],
      ["{'a':1}", 'unexpected "\'" at line 1, column 2'],
      ['{"a":"\\x"}', 'unexpected "\\\\" at line 1, column 7'],
      ['{"a":01}', 'unexpected "1" at line 1, column 7'],
      ["nul", 'unexpected "n" at line 1, column 1'],
      ["{} {}", 'unexpected "{" at line 1, column 4'],
    ];
    for (const [body, text] of cases) {
      const answer = await call("POST", path, { body, headers: { "content-type": "application/json" } });
      expect(await answer.json(), body).toMatchObject({
        status: 422,
        code: "invalid_body",
        detail: `The body is not JSON: ${text}`,
      });
    }
  });

  it("that are JSON are read as the runtime reads them, whatever they are", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 100 },
    );
  });

  it("are refused where JSON.parse refuses them, and only there", () => {
    const noise = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'{}[]",:\\ntrue0-1.eE \n'.split("")) }),
    );
    fc.assert(
      fc.property(noise, (text) => {
        let valid = true;
        try {
          JSON.parse(text, (_, value: unknown) => {
            if (Math.abs(Number(value)) === Infinity && typeof value === "number") throw new Error("beyond");
            return value;
          });
        } catch {
          valid = false;
        }
        if (valid) parseJson(text);
        else expect(() => parseJson(text)).toThrow(/is not JSON: unexpected|nests deeper|beyond 1.8e308/);
      }),
      { numRuns: 500 },
    );
  });

  it("that nest too deep are refused before they are parsed, in linear time", async () => {
    const { call } = await apiWorld();
    for (const body of [
      "[".repeat(900_000),
      `{"a":${"[".repeat(depth_max)}${"]".repeat(depth_max)}}`,
      '{"a":'.repeat(100_000),
    ]) {
      const answer = await call("POST", path, { body, headers: { "content-type": "application/json" } });
      expect(await answer.json()).toMatchObject({
        status: 422,
        detail: `The body nests deeper than ${depth_max} levels`,
      });
    }
    const brackets = { ...good, content: "[".repeat(1_000) };
    expect((await call("POST", path, { json: brackets })).status).toBe(202);
  });

  it("of more values than a node takes the time for are refused before they are parsed", () => {
    const many = (piece: string, last: string): string => `[${`${piece},`.repeat(values_max - 2)}${last}]`;
    expect(parseJson(many("0", "0"))).toHaveLength(values_max - 1);
    for (const text of [many("0", "0,0"), many("{}", "0"), many('""', '"",""')])
      expect(() => parseJson(text)).toThrow(`more than ${values_max} values`);
    const commas = JSON.stringify({ content: ",[{".repeat(values_max) });
    expect(parseJson(commas)).toEqual(JSON.parse(commas));
  });

  it("leave their garbage to be collected after so many bytes, however they are sent", async () => {
    const collected = { times: 0 };
    const { call } = await apiWorld({ bodies: { collect: () => void collected.times++ } });
    const content = "x".repeat(9 * 1024 * 1024);
    for (let count = 0; count < 7; count++) await call("POST", path, { json: { ...good, content } });
    expect(collected.times).toBe(0);
    await call("POST", path, { json: { ...good, content } });
    expect(collected.times).toBe(1);
  });

  it("that are compressed are refused with what is accepted, on JSON and on modules", async () => {
    const { call, services } = await apiWorld();
    const zipped = gzipSync(JSON.stringify(good));
    for (const [at, type] of [
      [path, "application/json"],
      ["/api/v1/agents?name=a", "application/wasm"],
    ] as const) {
      const headers = { "content-type": type, "content-encoding": "gzip" };
      const answer = await call("POST", at, { body: zipped, headers });
      expect([answer.status, answer.headers.get("accept-encoding")]).toEqual([415, "identity"]);
      expect(await answer.json()).toMatchObject({ code: "unsupported_media_type" });
    }
    const headers = { "content-type": "application/json", "content-encoding": "identity" };
    expect((await call("POST", path, { body: JSON.stringify(good), headers })).status).toBe(202);
    expect([services.sent.length, services.held.size]).toEqual([1, 0]);
  });

  it("of another type, empty, or not UTF-8 are refused", async () => {
    const { call } = await apiWorld();
    const send = async (body: BodyInit | null, type: string | null): Promise<unknown> =>
      (await call("POST", path, { body, headers: type === null ? {} : { "content-type": type } })).json();
    const text = JSON.stringify(good);
    expect(await send(text, "text/plain")).toMatchObject({ status: 415, code: "unsupported_media_type" });
    expect(await send(new TextEncoder().encode(text), null)).toMatchObject({ status: 415 });
    expect(await send("", "application/json")).toMatchObject({
      status: 422,
      detail: "The body is empty, expected JSON",
    });
    expect(await send(new Uint8Array([34, 0xff, 34]), "application/json")).toMatchObject({
      detail: "The body is not valid UTF-8",
    });
    expect(
      (
        await call("POST", path, {
          body: text,
          headers: { "content-type": "Application/JSON; charset=utf-8" },
        })
      ).status,
    ).toBe(202);
  });

  it("that are too large are given up at the limit, not read to their end", async () => {
    const { app, admin } = await apiWorld();
    const { body, taken } = streamed(new Uint8Array(64 * 1024).fill(32), 100_000);
    const init = {
      method: "POST",
      body,
      duplex: "half",
      headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
    };
    const answer = await app.fetch(new Request("http://node/api/v1/cluster/remove", init));
    expect(await answer.json()).toMatchObject({ status: 413, code: "payload_too_large" });
    expect(taken.pieces).toBeLessThan(25);
  });

  it("that say they are too large are not read at all", async () => {
    const { app, admin } = await apiWorld();
    const { body, taken } = streamed(new Uint8Array(10), 1);
    const headers = {
      authorization: `Bearer ${admin}`,
      "content-type": "application/wasm",
      "content-length": String(20 * 1024 ** 2),
    };
    const init = { method: "POST", body, duplex: "half", headers };
    const answer = await app.fetch(new Request("http://node/api/v1/agents?name=a", init));
    expect(answer.status).toBe(413);
    expect(taken.pieces).toBe(0);
  });

  it("with fields that no one knows, are missing or of a wrong type are refused with every name", async () => {
    const { call, services } = await apiWorld();
    const answer = await call("POST", path, {
      json: { performative: 7, receiver: "a b", extra: 1, constructor: 2 },
    });
    const problem = (await answer.json()) as { errors: readonly { field: string; message: string }[] };
    expect(answer.status).toBe(422);
    const named = Object.fromEntries(problem.errors.map(({ field, message }) => [field, message]));
    expect(named["content"]).toBe("missing");
    expect(named["extra"]).toBe("unknown field");
    expect(named["constructor"]).toBe("unknown field");
    expect(Object.keys(named).toSorted()).toEqual([
      "constructor",
      "content",
      "extra",
      "performative",
      "receiver",
    ]);
    const proto = await call("POST", path, {
      body: '{"performative":"request","receiver":"echo","content":1,"__proto__":{"admin":true}}',
      headers: { "content-type": "application/json" },
    });
    expect(await proto.json()).toMatchObject({ errors: [{ field: "__proto__", message: "unknown field" }] });
    for (const json of [null, 1, "text", [], [good], true])
      expect((await call("POST", path, { json })).status).toBe(422);
    expect(services.sent).toEqual([]);
  });

  it("of any shape never break the API", async () => {
    const { call } = await apiWorld();
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ maxDepth: 3 }),
        fc.constantFrom(path, "/api/v1/cluster/leave", "/api/v1/dead-letters/replay"),
        async (json, to) => {
          const { status } = await call("POST", to, { json });
          expect([200, 202, 400, 404, 422]).toContain(status);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("queries and paths", () => {
  it("with parameters twice, unknown or out of range are refused", async () => {
    const { call } = await apiWorld();
    const cases: readonly (readonly [string, string])[] = [
      ["/api/v1/cluster/members?limit=1&limit=2", '\\"limit\\" is given twice'],
      ["/api/v1/cluster/members?limit=0", "limit: below 1"],
      ["/api/v1/cluster/members?limit=1001", "limit: above 1000"],
      ["/api/v1/cluster/members?limit=1e2", "limit: not a whole number"],
      ["/api/v1/cluster/members?limt=1", "limt: unknown field"],
      ["/api/v1/cluster/members?__proto__=1", "__proto__: unknown field"],
      ["/api/v1/cluster/members?cursor=a%00b", "cursor: not a cursor"],
      ["/api/v1/cluster/status?x=1", "takes no parameters"],
      ["/api/v1/cluster/ping", "node: missing"],
      ["/api/v1/cluster/ping?node=../x", "node: not 1 to 64"],
      ["/api/v1/events?types=member.%2A,A", 'Event type \\"A\\"'],
    ];
    for (const [path, text] of cases) {
      const answer = await call("GET", path);
      expect(answer.status, path).toBe(400);
      expect(await answer.text(), path).toContain(text);
    }
  });

  it("with tricks in names are refused, never followed", async () => {
    const { call } = await apiWorld();
    for (const name of [
      "..%2f..%2fetc%2fpasswd",
      "%2e%2e",
      "a%00b",
      "a%20b",
      "%ff",
      "%",
      ".hidden",
      "-flag",
      "x".repeat(65),
      "a%2fb",
      "名",
    ]) {
      for (const [method, rest] of [
        ["GET", ""],
        ["DELETE", ""],
        ["POST", "/suspend"],
        ["GET", "/logs"],
      ] as const) {
        const answer = await call(method, `/api/v1/agents/${name}${rest}`);
        expect([400, 404, 405], `${method} ${name}`).toContain(answer.status);
        expect(await answer.json(), name).not.toMatchObject({ code: "agent_not_found" });
      }
    }
    expect((await call("GET", "/api/v1/agents/%65cho")).status).toBe(404);
  });
});

describe("what would be ignored", () => {
  it("a body where none is taken is refused, and nothing is done; an empty one is none", async () => {
    const { call, services } = await apiWorld();
    const routes = [
      ["POST", "/api/v1/agents/echo/suspend"],
      ["DELETE", "/api/v1/agents/echo"],
      ["DELETE", "/api/v1/dead-letters?all=true"],
    ] as const;
    for (const [method, to] of routes) {
      const answer = await call(method, to, { body: "{}", headers: { "content-length": "2" } });
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        { detail: expect.stringContaining("takes no body") },
      ]);
      const chunked = await call(method, to, { headers: { "transfer-encoding": "chunked" } });
      expect(chunked.status).toBe(400);
      expect((await call(method, to, { headers: { "content-length": "0" } })).status).not.toBe(400);
    }
    expect(services.held.size).toBe(0);
    expect(
      (await call("GET", "/api/v1/cluster/members", { headers: { "content-length": "2" } })).status,
    ).toBe(200);
  });

  it("an empty list of ids is none", async () => {
    const { call } = await apiWorld();
    for (const query of ["ids=", "ids=,", "ids=1,"])
      expect((await call("DELETE", `/api/v1/dead-letters?${query}`)).status, query).toBe(400);
    const json = { ids: [] };
    expect((await call("POST", "/api/v1/dead-letters/replay", { json })).status).toBe(422);
  });

  it("escapes that are no UTF-8 are refused in paths and queries; others are what they say", async () => {
    const { call, services } = await apiWorld();
    for (const bad of ["%FF", "%", "a%2", "%C3", "%zz", "%ED%A0%80", "%25%FF"]) {
      for (const [method, to] of [
        ["PUT", `/api/v1/kv/${bad}`],
        ["GET", `/api/v1/kv/${bad}`],
        ["DELETE", `/api/v1/kv/${bad}`],
        ["GET", `/api/v1/kv?prefix=${bad}`],
        ["GET", `/api/v1/agents/${bad}`],
      ] as const) {
        const answer = await call(method, to, method === "PUT" ? { body: "x" } : {});
        expect([answer.status, await answer.json()], `${method} ${to}`).toMatchObject([
          400,
          { code: "invalid_argument", detail: expect.stringContaining("percent-encoded UTF-8") },
        ]);
      }
    }
    expect((await call("PUT", "/api/v1/kv/caf%C3%A9%2525", { body: "x" })).status).toBeLessThan(300);
    expect((await call("GET", "/api/v1/kv/caf%C3%A9%2525")).status).toBe(200);
    expect(services.sent).toEqual([]);
  });
});

describe("bodies that come slowly", () => {
  const headers = { "content-type": "application/json" };
  const mebibyte = 1024 * 1024;
  const turns = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  /** Gives its pieces, and then nothing for ever. */
  const stuck = (pieces: number, piece: Uint8Array) => {
    const found = { given: 0, ended: false };
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (found.given === pieces) return new Promise(() => undefined);
          found.given++;
          controller.enqueue(piece);
          return undefined;
        },
        cancel: () => void (found.ended = true),
      },
      { highWaterMark: 0 },
    );
    return { body, found };
  };

  it("are given up after their time, though the answer might take longer", async () => {
    const { call, clock } = await apiWorld();
    const { body, found } = stuck(3, new Uint8Array(10));
    const answered = call("POST", path, { body, headers });
    while (found.given < 3) await turns(1);
    clock.advance(100_000);
    const answer = await answered;
    expect(await answer.json()).toMatchObject({ status: 504, code: "timeout" });
    expect(found.ended).toBe(true);
  });

  it("of any pieces come whole, and give back what they took", async () => {
    const { held, budget } = countedBudget();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 40_000, size: "max" }), { maxLength: 6 }),
        fc.boolean(),
        async (pieces, declared) => {
          const all = Buffer.concat(pieces);
          const body = new ReadableStream<Uint8Array>({
            start(controller) {
              for (const piece of pieces) controller.enqueue(piece);
              controller.close();
            },
          });
          const length: Record<string, string> = declared ? { "content-length": `${all.length}` } : {};
          const init = { method: "POST", body, duplex: "half", headers: length };
          const read = await readBody(new Request("http://node/", init), 1_000_000, budget);
          expect(Buffer.compare(read, all)).toBe(0);
          expect(read.buffer.byteLength).toBe(all.length);
          expect(held.bytes).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
    expect(held.most).toBeGreaterThan(0);
  });

  it("are given up soon when the node stops, and whole ones are still taken", async () => {
    const stopping = new AbortController();
    const { call, clock } = await apiWorld({ bodies: { stopping: stopping.signal } });
    const before = stuck(1, new Uint8Array(10));
    const answers = [call("POST", path, { body: before.body, headers })];
    while (before.found.given < 1) await turns(1);
    stopping.abort();
    const after = stuck(1, new Uint8Array(10));
    answers.push(call("POST", path, { body: after.body, headers }));
    while (after.found.given < 1) await turns(1);
    expect((await call("POST", path, { json: good })).status).toBe(202);
    clock.advance(500);
    for (const answer of await Promise.all(answers))
      expect(await answer.json()).toMatchObject({ status: 503, code: "unavailable" });
    expect([before.found.ended, after.found.ended]).toEqual([true, true]);
  });

  it("have a budget together, and what it refuses is taken when they ended", async () => {
    const { call, clock } = await apiWorld();
    const piece = new Uint8Array(mebibyte);
    const each = 8;
    const slow = Array.from({ length: bodiesLimit_bytes / (each * mebibyte) }, () => stuck(each, piece));
    const answers = slow.map(({ body }) => call("POST", path, { body, headers }));
    while (slow.some(({ found }) => found.given < each)) await turns(1);
    await turns(20);
    const refused = await call("POST", path, { json: good });
    expect(await refused.json()).toMatchObject({ status: 429, code: "too_many_requests" });
    clock.advance(100_000);
    await Promise.all(answers);
    expect((await call("POST", path, { json: good })).status).toBe(202);
  });
});

it("a number that would become null is refused, however deep; the largest that would not is taken", () => {
  for (const text of ["1e400", '{"content":[{"x":-1e999}]}'])
    expect(() => parseJson(text)).toThrow("a number beyond 1.8e308");
  expect(parseJson('{"x":1.7e308,"text":"1e400"}')).toEqual({ x: 1.7e308, text: "1e400" });
});
