import { expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { parseNodeId } from "../../../../src/base/ids.ts";
import { earlyFramesLimit } from "../../../../src/cluster/peers/early-frames.ts";
import { queueLimit_bytes } from "../../../../src/cluster/peers/queue.ts";
import { memoryIdentity } from "../../../../src/platform/memory/streams.ts";
import { NodeClock } from "../../../../src/platform/memory/clock.ts";
import { PeerWorld, type PeerWorldNode } from "../../../support/peer-world.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

function collect(node: PeerWorldNode): string[] {
  const received: string[] = [];
  for (const kind of ["gossip", "message", "bulk"] as const) {
    node.network.onFrame(kind, (frame) => received.push(`${kind} ${frame.from} ${text(frame.bytes)}`));
  }
  return received;
}

async function pair(world = new PeerWorld()) {
  const [a, b] = [await world.node("a"), await world.node("b")];
  world.introduce(a, b);
  return { world, a, b, atA: collect(a), atB: collect(b) };
}

test("frames of a class arrive in order, both ways at once, each over its own connection", async () => {
  const { world, a, b, atA, atB } = await pair();
  for (let i = 0; i < 1_000; i++) {
    expect(a.network.send(b.id, "message", bytes(`${i}`))).toBe(true);
    b.network.send(a.id, "message", bytes(`${i}`));
  }
  a.network.send(b.id, "gossip", bytes("news"));
  await world.until(() => atB.length === 1_001 && atA.length === 1_000);
  expect(atB.filter((line) => line.startsWith("message"))).toEqual(
    Array.from({ length: 1_000 }, (_, i) => `message a ${i}`),
  );
  expect(atA).toEqual(Array.from({ length: 1_000 }, (_, i) => `message b ${i}`));
  expect(a.links).toEqual(["b message up: connected", "b gossip up: connected"]);
  expect(a.network.stats()).toMatchObject({ connections: 3, queued_bytes: 0 });
});

test("frames of any size up to 16 MiB arrive whole; larger ones and unknown peers are refused at once", async () => {
  const { world, a, b } = await pair();
  const sizes: number[] = [];
  b.network.onFrame("message", (frame) => sizes.push(frame.bytes.length));
  const sent = [0, 1, 65_535, 65_536, 300_000, 16 * 1024 * 1024];
  for (const size of sent) expect(a.network.send(b.id, "message", new Uint8Array(size))).toBe(true);
  await world.until(() => sizes.length === sent.length);
  expect(sizes).toEqual(sent);
  expect(a.network.send(b.id, "message", new Uint8Array(17 * 1024 * 1024))).toBe(false);
  expect(a.network.send(b.id, "bulk", new Uint8Array(80 * 1024))).toBe(false);
  expect(a.network.send(parseNodeId("nobody"), "message", bytes("x"))).toBe(false);
});

test("frames that come before anybody handles their class are handed over in order when somebody does", async () => {
  const world = new PeerWorld();
  const [a, b] = [await world.node("a"), await world.node("b")];
  world.introduce(a, b);
  for (let i = 0; i < 1_010; i++) a.network.send(b.id, "message", bytes(`${i}`));
  a.network.send(b.id, "gossip", bytes("news"));
  const news: string[] = [];
  b.network.onFrame("gossip", (frame) => news.push(text(frame.bytes)));
  await world.until(() => news.length === 1);
  await world.pass(1_000);
  const received = collect(b);
  a.network.send(b.id, "message", bytes("later"));
  await world.until(() => received.at(-1) === "message a later");
  const early = Array.from({ length: earlyFramesLimit }, (_, i) => `message a ${i}`);
  expect(received).toEqual([...early, "message a later"]);
});

test("what is queued before the peer is there arrives when it comes", async () => {
  const world = new PeerWorld();
  const a = await world.node("a");
  const b = parseNodeId("b");
  a.network.setAddress(b, { host: "b", port: 7_946 });
  for (let i = 0; i < 10; i++) a.network.send(b, "message", bytes(`${i}`));
  await world.pass(20_000);
  const late = await world.node("b");
  const received = collect(late);
  await world.until(() => received.length === 10, 6_000);
  expect(received[9]).toBe("message a 9");
});

test("the queue is bounded in bytes and says so", async () => {
  const { a, b } = await pair();
  let accepted = 0;
  while (a.network.send(b.id, "message", new Uint8Array(1024 * 1024))) accepted++;
  expect(accepted).toBe(63);
  expect(a.network.stats().queued_bytes).toBeLessThanOrEqual(queueLimit_bytes);
});

test("a slow receiver blocks the queue, not the memory of the stream, and nothing is lost", async () => {
  const { world, a, b } = await pair();
  let received = 0;
  b.network.onFrame("message", () => received++);
  world.network.setRules({ delay_ms: [200, 200] });
  for (let i = 0; i < 500; i++) a.network.send(b.id, "message", new Uint8Array(100_000));
  await world.until(() => received > 0);
  expect(a.network.stats().queued_bytes).toBeGreaterThan(20_000_000);
  await world.until(() => received === 500, 600_000);
});

test("a cut is noticed by silence on both ends, and the link comes back after it heals", async () => {
  const { world, a, b, atB } = await pair();
  a.network.send(b.id, "message", bytes("before"));
  await world.until(() => atB.length === 1);
  world.network.cut(["a"], ["b"]);
  await world.until(() => a.links.length === 2);
  expect(a.links[1]).toMatch(/^b message down: nothing heard for 1[56] s$/);
  await world.until(() => b.network.stats().connections === 0);
  expect(b.closed.at(-1)).toContain("silent a");
  a.network.send(b.id, "message", bytes("during"));
  await world.pass(30_000);
  world.network.heal();
  await world.until(() => atB.length === 2, 15_000);
  expect(atB[1]).toBe("message a during");
  expect(a.links[2]).toBe("b message up: connected");
});

test("a process that stood still for a while does not give up connections for its own silence", async () => {
  const world = new PeerWorld();
  const clock = new NodeClock(world.clock);
  const [a, b] = [await world.node("a"), await world.node("b", { clock })];
  world.introduce(a, b);
  const received = collect(a);
  // It speaks and hears nothing, so that its silence is the longer one.
  for (let i = 1; i <= 5; i++) {
    b.network.send(a.id, "message", bytes(`${i}`));
    await world.until(() => received.length === i);
    if (i < 5) await world.pass(900);
  }
  clock.pause();
  world.network.pause("b");
  await world.pass(12_000);
  clock.resume();
  world.network.resume("b");
  await world.pass(3_000);
  expect(b.links).toEqual(["a message up: connected"]);
});

test("a rehearsal is a connection of a node with itself, and leaves none", async () => {
  const world = new PeerWorld();
  const a = await world.node("a");
  let over = false;
  void a.network.rehearse().then(() => (over = true));
  await world.until(() => over);
  await world.pass(1_000);
  expect(a.network.stats().bytesReceived).toBeGreaterThan(0);
  expect(a.network.stats().connections).toBe(0);
  expect(a.refused).toEqual([]);
});

test("an idle connection stays up", async () => {
  const { world, a, b, atB } = await pair();
  a.network.send(b.id, "message", bytes("x"));
  await world.until(() => atB.length === 1);
  await world.pass(300_000);
  expect(a.links).toEqual(["b message up: connected"]);
});

test("a restarted peer is noticed by its boot epoch, and an older life of it is refused", async () => {
  const { world, a, b, atB } = await pair();
  a.network.send(b.id, "message", bytes("x"));
  b.network.send(a.id, "message", bytes("x"));
  await world.until(() => atB.length === 1 && a.network.stats().connections === 2);
  await b.network.close();
  await world.until(() => a.links.length === 2);
  const reborn = await world.node("b", { bootEpoch: 2 });
  const received = collect(reborn);
  world.introduce(a, reborn);
  a.network.send(b.id, "message", bytes("again"));
  await world.until(() => received.length === 1);
  await reborn.network.close();
  await world.until(() => a.links.length === 4);
  const ghost = await world.node("b", { bootEpoch: 1 });
  const atGhost = collect(ghost);
  ghost.network.setAddress(a.id, a.address);
  ghost.network.send(a.id, "gossip", bytes("stale"));
  a.network.send(b.id, "message", bytes("to the living"));
  await world.pass(10_000);
  expect(atGhost).toEqual([]);
  expect(ghost.links).toEqual([]);
  expect(ghost.closed.some((line) => line.includes('refused a: a later start of "b" than 1 is known'))).toBe(
    true,
  );
  expect(a.closed.some((line) => line.startsWith("wrong_peer b"))).toBe(true);
});

test("a life of the future is refused both ways, and does not keep the true ones out", async () => {
  const { world, a, b, atB } = await pair();
  const day_ms = 24 * 3_600_000;
  const future = world.clock.wall_ms() + day_ms + 60_000;
  const liar = await world.node("a", { host: "elsewhere", bootEpoch: future });
  liar.network.setAddress(b.id, b.address);
  liar.network.send(b.id, "message", bytes("false"));
  await world.pass(10_000);
  const why = `the start ${future} of "a" is in the future: set its clock`;
  expect(liar.closed.some((line) => line.includes(why))).toBe(true);
  b.network.setAddress(a.id, liar.address);
  b.network.send(a.id, "message", bytes("to the liar"));
  await world.pass(10_000);
  expect(b.closed.some((line) => line.includes(`wrong_peer a: ${why}`))).toBe(true);
  b.network.setAddress(a.id, a.address);
  a.network.send(b.id, "message", bytes("x"));
  await world.until(() => atB.length === 1);
  // A clock that is a little ahead is no lie.
  await a.network.close();
  const ahead = await world.node("a", { host: "ahead", bootEpoch: world.clock.wall_ms() + day_ms / 2 });
  ahead.network.setAddress(b.id, b.address);
  ahead.network.send(b.id, "message", bytes("y"));
  await world.until(() => atB.length === 2);
});

test("one who uses a member's name at first contact does not shut the member out", async () => {
  const { world, a, b, atB } = await pair();
  b.network.onContact(() => Promise.reject(new CaxtonError("conflict", "the name is taken")));
  const impostor = await world.node("a", { host: "elsewhere", bootEpoch: 9 });
  const contact = impostor.network.contact(b.address, bytes("hello"), 5_000);
  await expect(world.settled(contact)).rejects.toMatchObject({ code: "conflict" });
  a.network.send(b.id, "message", bytes("x"));
  await world.until(() => atB.length === 1);
});

test("one who answers a first contact under a member's name is told nothing, and does not shut the member out", async () => {
  const { world, a, b, atB } = await pair();
  const impostor = await world.node("b", { host: "elsewhere", bootEpoch: 9 });
  let heard = 0;
  impostor.network.onContact(async (hello) => (heard++, hello));
  a.network.judgeContacts(
    (node, bootEpoch, { host }) => `${node} in boot ${bootEpoch} at ${host} is another`,
  );
  const contact = (): Promise<unknown> =>
    world.settled(a.network.contact(impostor.address, bytes("hello"), 5_000));
  await expect(contact()).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("b in boot 9 at elsewhere is another"),
  });
  expect(heard).toBe(0);
  // And where nothing is known of another one, a contact alone is no proof of a new life either.
  a.network.judgeContacts(() => null);
  await contact();
  expect(heard).toBe(1);
  a.network.send(b.id, "message", bytes("x"));
  await world.until(() => atB.length === 1);
});

test("a wrong key is told on both sides, and the sender keeps trying", async () => {
  const world = new PeerWorld();
  const [a, b] = [await world.node("a"), await world.node("b", { key: "other" })];
  world.introduce(a, b);
  a.network.send(b.id, "message", bytes("x"));
  await world.until(() => a.refused.length > 1 && b.refused.length > 1);
  expect(a.refused[0]).toContain("does not come from our cluster key");
  expect(a.network.stats().refused).toBe(a.refused.length);
  await expect(
    world.settled(a.network.request(b.id, "m", bytes(""), { timeout_ms: 9_000 })),
  ).rejects.toMatchObject({
    code: "wrong_key",
  });
  b.network.setIdentity(memoryIdentity("key", "prod", b.id));
  const received = collect(b);
  await world.until(() => received.length === 1);
});

test("a peer that moves is dialled at its new address; one that is removed is not dialled any more", async () => {
  const { world, a, b, atB } = await pair();
  a.network.send(b.id, "message", bytes("1"));
  await world.until(() => atB.length === 1);
  await b.network.close();
  const moved = await world.node("b", { host: "b2", bootEpoch: 2 });
  const received = collect(moved);
  a.network.setAddress(b.id, moved.address);
  a.network.send(b.id, "message", bytes("2"));
  await world.until(() => received.length === 1);
  expect(a.links).toContain("b message down: it moved to b2:7946");
  a.network.setAddress(b.id, undefined);
  expect(a.network.send(b.id, "message", bytes("3"))).toBe(false);
  expect(a.network.stats().queued_bytes).toBe(0);
});

test("another node at a peer's address gets none of its frames", async () => {
  const world = new PeerWorld();
  const [a, c] = [await world.node("a"), await world.node("c")];
  const received = collect(c);
  const b = parseNodeId("b");
  a.network.setAddress(b, c.address);
  a.network.send(b, "message", bytes("for b only"));
  await world.pass(10_000);
  expect(received).toEqual([]);
  await expect(
    world.settled(a.network.request(b, "m", bytes(""), { timeout_ms: 9_000 })),
  ).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining('it is node "c", not "b"'),
  });
});

test("a handler that fails costs its connection, is reported, and the next frame comes over a new one", async () => {
  const { world, a, b } = await pair();
  const received: string[] = [];
  b.network.onFrame("message", (frame) => {
    received.push(text(frame.bytes));
    if (received.length === 1) throw new Error("a bug in the handler");
  });
  a.network.send(b.id, "message", bytes("poison"));
  await world.until(() => a.links.length === 2);
  expect(b.closed[0]).toContain("handler_failed a (a:");
  expect(b.closed[0]).toContain("a bug in the handler");
  a.network.send(b.id, "message", bytes("fine"));
  await world.until(() => received.length === 2);
  expect(b.network.stats().closed).toEqual({ handler_failed: 1 });
});

test("close writes what is queued, ends requests, and refuses everything after", async () => {
  const { world, a, b, atB } = await pair();
  b.network.handle("slow", () => new Promise(() => {}));
  a.network.send(b.id, "message", bytes("1"));
  const request = a.network.request(b.id, "slow", bytes(""), { timeout_ms: 60_000 });
  await world.until(() => atB.length === 1 && b.network.stats().connections === 2);
  a.network.send(b.id, "message", bytes("last words"));
  await a.network.close();
  await a.network.close();
  await expect(request).rejects.toMatchObject({
    code: "unreachable",
    message: 'Cannot reach "b": this node shuts down',
  });
  await world.until(() => atB.length === 2 && b.network.stats().connections === 0);
  expect(a.network.send(b.id, "message", bytes("x"))).toBe(false);
  await expect(a.network.contact(b.address, bytes(""), 100)).rejects.toBeInstanceOf(CaxtonError);
});

test("a stream for gossip to no neighbour is closed when nothing is sent on it; others stay", async () => {
  const world = new PeerWorld();
  const [a, b, c] = [await world.node("a"), await world.node("b"), await world.node("c")];
  world.introduce(a, b, c);
  const gone: string[] = [];
  for (const node of [a, b, c]) node.network.onGone((lost) => gone.push(lost));
  const atB = collect(b);
  a.network.send(b.id, "gossip", bytes("once"));
  a.network.send(b.id, "message", bytes("once"));
  a.network.keep("gossip", [c.id]);
  await world.until(() => a.network.stats().connections === 3 && atB.length === 2);
  await world.pass(110_000);
  expect(a.network.stats().connections).toBe(3);
  await world.pass(20_000);
  expect(a.network.stats().connections).toBe(2);
  expect(b.network.stats().connections).toBe(1);
  expect(gone).toEqual([]);
  a.network.send(b.id, "gossip", bytes("again"));
  await world.until(() => atB.length === 3);
  expect(atB).toContain("gossip a again");
});
