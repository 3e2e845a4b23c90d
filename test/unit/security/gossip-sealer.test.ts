import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNodeId } from "../../../src/base/ids.ts";
import { seededEntropy } from "../../../src/platform/memory/entropy.ts";
import type { GossipSealer, GossipSealerOptions } from "../../../src/security/gossip-sealer.ts";
import { createGossipSealer, senderLimit } from "../../../src/security/gossip-sealer.ts";
import { gossipKeyOf } from "../../../src/security/keyring.ts";

const key = (seed: number): Uint8Array => gossipKeyOf(new Uint8Array(32).fill(seed));
const uuid = "0190a2b4-0000-7000-8000-000000000001";

function sealer(node: string, options: Partial<GossipSealerOptions> = {}, seed = 1): GossipSealer {
  return createGossipSealer({
    node: parseNodeId(node),
    bootEpoch: 1,
    clusterName: "test",
    clusterUuid: uuid,
    keys: [key(1)],
    entropy: seededEntropy(seed),
    ...options,
  });
}

const payload = new TextEncoder().encode("ping 42");

test("a sealed payload opens at another node with its sender and boot epoch, and is not readable between", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_300 }), fc.nat(), (bytes, bootEpoch) => {
      const datagram = sealer("node-1", { bootEpoch }).seal(bytes);
      expect(sealer("node-2", {}, 2).open(datagram)).toEqual({
        kind: "opened",
        sender: "node-1",
        bootEpoch,
        payload: bytes,
      });
      if (bytes.length > 8) expect(Buffer.from(datagram).includes(bytes)).toBe(false);
    }),
    { numRuns: 50 },
  );
});

test("the largest payload makes a datagram of 1,400 bytes; one byte more is refused", () => {
  const node = sealer("n".repeat(64));
  expect(node.seal(new Uint8Array(node.payloadLimit_bytes)).length).toBe(1_400);
  expect(() => node.seal(new Uint8Array(node.payloadLimit_bytes + 1))).toThrow("at most");
});

test("every changed bit breaks the packet, and the receiver's state stays as it was", () => {
  const datagram = sealer("node-1").seal(payload);
  const receiver = sealer("node-2", {}, 2);
  for (let bit = 0; bit < datagram.length * 8; bit++) {
    const changed = datagram.slice();
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(receiver.open(changed).kind).toBe("dropped");
  }
  expect(receiver.open(datagram).kind).toBe("opened");
});

test("every truncation and any random bytes are dropped without an exception", () => {
  const datagram = sealer("node-1").seal(payload);
  const receiver = sealer("node-2", {}, 2);
  for (let length = 0; length < datagram.length; length++) {
    expect(receiver.open(datagram.slice(0, length)).kind).toBe("dropped");
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_500 }), fc.nat(60), (bytes, kept) => {
      expect(receiver.open(bytes).kind).toBe("dropped");
      const grafted = new Uint8Array(Math.max(bytes.length, kept));
      grafted.set(bytes);
      grafted.set(datagram.subarray(0, kept));
      expect(receiver.open(grafted).kind).toBe("dropped");
    }),
    { numRuns: 2_000 },
  );
  expect(receiver.open(datagram).kind).toBe("opened");
});

test("a packet opens once; reordered ones within the window open, older ones do not", () => {
  const sender = sealer("node-1");
  const receiver = sealer("node-2", {}, 2);
  const datagrams = Array.from({ length: 1_100 }, () => sender.seal(payload));
  const open = (index: number): unknown => {
    const result = receiver.open(datagrams[index] as Uint8Array);
    return result.kind === "dropped" ? result.reason : result.kind;
  };
  expect(open(1_099)).toBe("opened");
  expect(open(1_099)).toBe("replayed");
  expect(open(500)).toBe("opened");
  expect(open(500)).toBe("replayed");
  expect(open(75)).toBe("replayed");
  expect(open(76)).toBe("opened");
});

test("after a restart was heard, packets of the earlier boot are dropped", () => {
  const receiver = sealer("node-9", {}, 9);
  const [old, recent] = [sealer("node-1", { bootEpoch: 4 }, 2), sealer("node-1", { bootEpoch: 5 }, 3)];
  expect(receiver.open(old.seal(payload)).kind).toBe("opened");
  expect(receiver.open(recent.seal(payload)).kind).toBe("opened");
  expect(receiver.open(old.seal(payload))).toEqual({ kind: "dropped", reason: "old_boot" });
  expect(receiver.open(recent.seal(payload)).kind).toBe("opened");
});

test("a forged higher boot epoch does not lock the true sender out", () => {
  const receiver = sealer("node-9", {}, 9);
  const forged = sealer("node-1", { bootEpoch: 99 }).seal(payload);
  forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1;
  expect(receiver.open(forged)).toEqual({ kind: "dropped", reason: "bad_seal" });
  expect(receiver.open(sealer("node-1").seal(payload)).kind).toBe("opened");
});

test("a start in the future, of a wrong clock or of one that lies, does not lock the true sender out", () => {
  const receiver = sealer("node-9", { bootCeiling: () => 50 }, 9);
  const open = (bootEpoch: number): unknown => receiver.open(sealer("node-1", { bootEpoch }).seal(payload));
  expect(open(51)).toEqual({ kind: "dropped", reason: "future_boot" });
  expect(open(4)).toMatchObject({ kind: "opened", bootEpoch: 4 });
  expect(open(50)).toMatchObject({ kind: "opened", bootEpoch: 50 });
});

test("a copy of a node with the same boot epoch never reuses its subkey, and is not heard beside it", () => {
  const [original, copy] = [sealer("node-1", {}, 1), sealer("node-1", {}, 2)];
  const [a, b] = [original.seal(payload), copy.seal(payload)];
  expect(a.slice(-23)).not.toEqual(b.slice(-23));
  const receiver = sealer("node-9", {}, 9);
  expect(receiver.open(a).kind).toBe("opened");
  expect(receiver.open(b)).toEqual({ kind: "dropped", reason: "old_boot" });
});

test("another cluster's UUID or name breaks the seal; another key is unknown; a reflected packet is a replay", () => {
  const receiver = sealer("node-2", {}, 2);
  const open = (other: GossipSealer): unknown => receiver.open(other.seal(payload));
  const otherUuid = uuid.replace("1", "2");
  expect(open(sealer("node-1", { clusterUuid: otherUuid }))).toEqual({ kind: "dropped", reason: "bad_seal" });
  expect(open(sealer("node-1", { clusterName: "tes" }))).toEqual({ kind: "dropped", reason: "bad_seal" });
  expect(open(sealer("node-1", { keys: [key(7)] }))).toEqual({ kind: "dropped", reason: "unknown_key" });
  expect(open(receiver)).toEqual({ kind: "dropped", reason: "replayed" });
});

test("a protocol version that nobody here speaks is told apart from garbage", () => {
  const datagram = sealer("node-1").seal(payload);
  datagram[1] = 200;
  datagram[2] = 210;
  expect(sealer("node-2").open(datagram)).toEqual({ kind: "dropped", reason: "version" });
});

test("keys rotate without a gap: new accepted, then new seals, then old forgotten", () => {
  const [a, b] = [sealer("a", {}, 1), sealer("b", {}, 2)];
  const heard = (): boolean =>
    b.open(a.seal(payload)).kind === "opened" && a.open(b.seal(payload)).kind === "opened";
  expect(heard()).toBe(true);
  a.setKeys([key(1), key(2)]);
  expect(heard()).toBe(true);
  b.setKeys([key(1), key(2)]);
  a.setKeys([key(2), key(1)]);
  expect(heard()).toBe(true);
  b.setKeys([key(2)]);
  a.setKeys([key(2)]);
  expect(heard()).toBe(true);
  expect(sealer("c", {}, 3).open(a.seal(payload))).toEqual({ kind: "dropped", reason: "unknown_key" });
});

test("the sender table is bounded: the longest silent sender is forgotten", () => {
  const receiver = sealer("receiver", {}, 9);
  const first = sealer("sender-0", {}, 1).seal(payload);
  const second = sealer("sender-1", {}, 1).seal(payload);
  receiver.open(first);
  receiver.open(second);
  for (let i = 2; i <= senderLimit; i++) receiver.open(sealer(`sender-${i}`, {}, 1).seal(payload));
  expect(receiver.open(second)).toEqual({ kind: "dropped", reason: "replayed" });
  expect(receiver.open(first).kind).toBe("opened");
});

test("who was heard again lately is not the one that is forgotten", () => {
  const receiver = sealer("receiver", {}, 9);
  const zero = sealer("sender-0", {}, 1);
  const one = sealer("sender-1", {}, 1).seal(payload);
  receiver.open(zero.seal(payload));
  receiver.open(one);
  const last = zero.seal(payload);
  receiver.open(last);
  for (let i = 2; i <= senderLimit; i++) receiver.open(sealer(`sender-${i}`, {}, 1).seal(payload));
  expect(receiver.open(last)).toEqual({ kind: "dropped", reason: "replayed" });
  expect(receiver.open(one).kind).toBe("opened");
});
