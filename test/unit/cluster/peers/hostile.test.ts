/** A peer with a good certificate and bad manners: every byte it sends is its own. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { memoryIdentity } from "../../../../src/platform/memory/streams.ts";
import type { StreamConnection } from "../../../../src/ports/streams.ts";
import { Writer } from "../../../../src/wire/cursor.ts";
import {
  payloadOf,
  type PeerFrame,
  readPeerFrame,
  type StreamPurpose,
  writeFrameHead,
} from "../../../../src/wire/peer-frame.ts";
import { FrameSplitter } from "../../../../src/wire/frame-splitter.ts";
import { PeerWorld, type PeerWorldNode } from "../../../support/peer-world.ts";

const mallory = parseNodeId("mallory");
const protocol = { lowest: 1, highest: 1 };

function encode(...frames: readonly PeerFrame[]): Uint8Array {
  const writer = new Writer();
  for (const frame of frames) {
    writeFrameHead(writer, frame);
    writer.raw(payloadOf(frame));
  }
  return writer.finish();
}

const hello = (
  purpose: StreamPurpose,
  changes: Partial<Extract<PeerFrame, { kind: "hello" }>> = {},
): Uint8Array => encode({ kind: "hello", purpose, node: mallory, bootEpoch: 1, protocol, ...changes });

class Attack {
  readonly frames: PeerFrame[] = [];
  closed = false;
  stream: StreamConnection | undefined;

  constructor(
    readonly world: PeerWorld,
    readonly victim: PeerWorldNode,
  ) {}

  async connect(): Promise<this> {
    const splitter = new FrameSplitter(1e9);
    const identity = memoryIdentity("key", "prod", mallory);
    this.stream = await this.world.settled(
      this.world.streams.at("mallory").connect(
        this.victim.address,
        identity,
        { timeout_ms: 1_000 },
        {
          data: (chunk) =>
            splitter.push(
              chunk,
              (tag, body) => this.frames.push(structuredClone(readPeerFrame(tag, body))) > 0,
            ),
          drain: () => {},
          close: () => (this.closed = true),
        },
      ),
    );
    return this;
  }

  async send(...parts: readonly Uint8Array[]): Promise<this> {
    for (const part of parts) this.stream?.write(part);
    await this.world.pass(5);
    return this;
  }
}

async function world() {
  const simulated = new PeerWorld();
  const victim = await simulated.node("victim");
  const received: number[] = [];
  victim.network.onFrame("message", (frame) => received.push(frame.bytes.length));
  victim.network.handle("echo", async (body) => body);
  return { world: simulated, victim, received, attack: () => new Attack(simulated, victim).connect() };
}

const empty = new Uint8Array(0);
const request: PeerFrame = {
  kind: "request",
  id: 1,
  timeout_ms: 9_000,
  total_bytes: 10,
  method: "echo",
  payload: empty,
};

test.each<[string, Uint8Array[], string]>([
  ["data before the greeting", [encode({ kind: "data", payload: empty })], "malformed"],
  ["a greeting longer than one can be", [Uint8Array.of(0, 8, 0, 0, 1)], "malformed"],
  ["a greeting of another node", [hello("message", { node: parseNodeId("victim2") })], "wrong_peer"],
  ["versions that nobody speaks", [hello("message", { protocol: { lowest: 9, highest: 9 } })], "version"],
  ["a second greeting", [hello("message"), hello("message")], "malformed"],
  [
    "a frame that only the other side sends",
    [hello("message"), encode({ kind: "welcome", node: mallory, bootEpoch: 1, protocol })],
    "malformed",
  ],
  ["an unknown tag", [hello("message"), Uint8Array.of(1, 0, 0, 0, 99)], "malformed"],
  ["an announced frame of 4 GB", [hello("message"), Uint8Array.of(255, 255, 255, 255)], "malformed"],
  ["a bulk frame of 16 MiB", [hello("bulk"), Uint8Array.of(0, 0, 0, 1)], "malformed"],
  [
    "a request id used twice",
    [hello("bulk"), encode({ ...request, payload: new Uint8Array(1) }, request)],
    "malformed",
  ],
  [
    "more body than announced",
    [
      hello("bulk"),
      encode(
        { ...request, payload: new Uint8Array(9) },
        { kind: "request_chunk", id: 1, payload: new Uint8Array(2) },
      ),
    ],
    "malformed",
  ],
  ["an endless body of empty chunks", [hello("bulk"), encode(request)], "malformed"],
])("%s closes the connection and counts it", async (_what, parts, kind) => {
  const { victim, received, attack } = await world();
  const mischief = await (await attack()).send(...parts);
  expect(mischief.closed).toBe(true);
  expect(victim.network.stats()).toMatchObject({ connections: 0, closed: { [kind]: 1 } });
  expect(received).toEqual([]);
});

test("whoever is refused is told why before the connection closes", async () => {
  const { victim, attack } = await world();
  const mischief = await (await attack()).send(hello("message", { protocol: { lowest: 9, highest: 9 } }));
  expect(mischief.frames).toEqual([
    {
      kind: "goodbye",
      code: "version_mismatch",
      detail: "protocol versions 9 to 9, and this node speaks 1 to 2",
    },
  ]);
  expect(victim.refused[0]).toContain("protocol versions 9 to 9");
});

test("connections for consensus are not taken on this port: its own thread listens for them", async () => {
  const { attack } = await world();
  for (const purpose of ["raft", "raft_bulk"] as const) {
    const mischief = await (await attack()).send(hello(purpose));
    expect(mischief.frames).toEqual([
      {
        kind: "goodbye",
        code: "invalid_argument",
        detail: `connections for ${purpose} are not taken here`,
      },
    ]);
  }
});

test("a connection that never greets is closed in time", async () => {
  const { world: simulated, victim, attack } = await world();
  const mischief = await attack();
  await simulated.pass(12_000);
  expect(mischief.closed).toBe(true);
  expect(victim.network.stats().closed).toEqual({ silent: 1 });
});

test("first contacts of one node at once are bounded", async () => {
  const { victim, attack } = await world();
  for (let i = 0; i < 12; i++) await (await attack()).send(hello("contact"));
  expect(victim.network.stats()).toMatchObject({ connections: 8, closed: { flooded: 4 } });
});

test("a second connection of a class replaces the first", async () => {
  const { victim, received, attack } = await world();
  const first = await (await attack()).send(hello("message"));
  const second = await (await attack()).send(hello("message"));
  await second.send(encode({ kind: "data", payload: new Uint8Array(5) }));
  expect([first.closed, second.closed, received]).toEqual([true, false, [5]]);
  expect(victim.network.stats()).toMatchObject({ connections: 1, closed: { superseded: 1 } });
});

test("pings that are never read from are answered up to a bound, then the connection is closed", async () => {
  const { world: simulated, victim, attack } = await world();
  const mischief = await (await attack()).send(hello("message"));
  simulated.network.cutOneWay("victim", "mallory");
  const pings = encode(...Array.from({ length: 50_000 }, () => ({ kind: "ping" }) as const));
  for (let i = 0; i < 40 && victim.network.stats().connections > 0; i++) await mischief.send(pings);
  expect(victim.network.stats()).toMatchObject({ connections: 0, closed: { flooded: 1 } });
});

test("announced bodies are bounded over all requests, and what ends gives its share back", async () => {
  const { attack } = await world();
  const mischief = await (await attack()).send(hello("bulk"));
  const begin = (id: number): Uint8Array =>
    encode({ ...request, id, total_bytes: 64 * 1024 * 1024, payload: new Uint8Array(1) });
  for (let id = 0; id < 20; id++) await mischief.send(begin(id), encode({ kind: "cancel", id }));
  expect(mischief.frames.filter((frame) => frame.kind === "failure")).toEqual([]);
  for (let id = 100; id < 105; id++) await mischief.send(begin(id));
  expect(mischief.frames.at(-1)).toMatchObject({ kind: "failure", id: 104, code: "queue_full" });
  await mischief.send(encode({ ...request, id: 200, payload: new Uint8Array(10) }));
  expect(mischief.frames.at(-1)).toMatchObject({ kind: "failure", id: 200 });
  const another = await attack();
  mischief.stream?.destroy();
  await another.send(hello("bulk"), encode({ ...request, id: 1, payload: new Uint8Array(10) }));
  expect(another.frames.at(-1)).toMatchObject({ kind: "response", id: 1 });
});

test("random, changed and cut frames never throw, never leak, and leave a good peer served", async () => {
  const { world: simulated, victim, attack } = await world();
  const friend = await simulated.node("friend");
  simulated.introduce(friend, victim);
  const frames = fc.constantFrom<PeerFrame>(
    { kind: "data", payload: new Uint8Array(40) },
    { kind: "ping" },
    { ...request, payload: new Uint8Array(10) },
    { kind: "request_chunk", id: 1, payload: new Uint8Array(3) },
    { kind: "cancel", id: 1 },
    { kind: "goodbye", code: "internal", detail: "x" },
  );
  const changed = fc.tuple(frames, fc.nat(), fc.nat(255), fc.nat(60)).map(([frame, at, value, cut]) => {
    const encoded = encode(frame);
    encoded[at % encoded.length] = value;
    return encoded.slice(0, encoded.length - (cut < 20 ? cut : 0));
  });
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    changed,
    frames.map((frame) => encode(frame)),
  );
  const purpose = fc.constantFrom<StreamPurpose>("gossip", "message", "bulk", "contact");
  await fc.assert(
    fc.asyncProperty(
      purpose,
      fc.boolean(),
      fc.array(part, { maxLength: 12 }),
      async (kind, greets, parts) => {
        const mischief = await attack();
        await mischief.send(...(greets ? [hello(kind)] : []), ...parts);
        mischief.stream?.destroy();
      },
    ),
    { numRuns: 400 },
  );
  const reply = await simulated.settled(
    friend.network.request(victim.id, "echo", new Uint8Array(100_000), { timeout_ms: 10_000 }),
  );
  expect(reply.length).toBe(100_000);
  await simulated.pass(20_000);
  expect(victim.network.stats()).toMatchObject({ connections: 1, queued_bytes: 0 });
  expect(victim.network.stats().closed.handler_failed).toBeUndefined();
});
