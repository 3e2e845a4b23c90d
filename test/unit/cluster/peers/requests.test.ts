import fc from "fast-check";
import { expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { answersLimit } from "../../../../src/cluster/peers/answers.ts";
import { callsLimit } from "../../../../src/cluster/peers/calls.ts";
import { PeerWorld } from "../../../support/peer-world.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function pair() {
  const world = new PeerWorld();
  const [a, b] = [await world.node("a"), await world.node("b")];
  world.introduce(a, b);
  b.network.handle("reverse", async (body) => body.toReversed());
  return { world, a, b };
}

test("a body of any size comes back from the handler, chunked both ways", async () => {
  const { world, a, b } = await pair();
  const sizes = fc.oneof(fc.nat(300), fc.integer({ min: 65_530, max: 65_545 }), fc.nat(400_000));
  await fc.assert(
    fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 6 }), async (list) => {
      const bodies = list.map((size, index) => new Uint8Array(size).map((_, i) => (i * 31 + index) & 0xff));
      const replies = bodies.map((body) => a.network.request(b.id, "reverse", body, { timeout_ms: 60_000 }));
      const answered = await world.settled(Promise.all(replies));
      const same = answered.map(
        (reply, i) => Buffer.compare(reply.toReversed(), bodies[i] as Uint8Array) === 0,
      );
      expect(same).toEqual(list.map(() => true));
    }),
    { numRuns: 15 },
  );
});

test("64 MiB pass, one byte more is refused on either side", async () => {
  const { world, a, b } = await pair();
  const most = 64 * 1024 * 1024;
  b.network.handle("length", async (body) => bytes(String(body.length)));
  b.network.handle("huge", async () => new Uint8Array(most + 1));
  const reply = await world.settled(
    a.network.request(b.id, "length", new Uint8Array(most), { timeout_ms: 600_000 }),
  );
  expect(new TextDecoder().decode(reply)).toBe(String(most));
  await expect(
    a.network.request(b.id, "length", new Uint8Array(most + 1), { timeout_ms: 1_000 }),
  ).rejects.toMatchObject({
    code: "payload_too_large",
  });
  await expect(
    world.settled(a.network.request(b.id, "huge", bytes(""), { timeout_ms: 10_000 })),
  ).rejects.toMatchObject({ code: "payload_too_large" });
});

test("large bodies share the stream: a small request does not wait for a large one", async () => {
  const { world, a, b } = await pair();
  world.network.setRules({ delay_ms: [5, 5] });
  const order: string[] = [];
  const large = a.network.request(b.id, "reverse", new Uint8Array(30_000_000), { timeout_ms: 600_000 });
  const small = a.network.request(b.id, "reverse", bytes("x"), { timeout_ms: 600_000 });
  void large.then(() => order.push("large"));
  void small.then(() => order.push("small"));
  await world.settled(Promise.all([large, small]));
  expect(order).toEqual(["small", "large"]);
});

test("an error of the handler arrives with its code; a bug of it as internal; an unknown method as not found", async () => {
  const { world, a, b } = await pair();
  b.network.handle("refuse", async () => {
    throw new CaxtonError("agent_not_found", 'No agent "x" here');
  });
  b.network.handle("broken", () => {
    throw new TypeError("undefined is not a function");
  });
  const request = (method: string) =>
    world.settled(a.network.request(b.id, method, bytes(""), { timeout_ms: 1_000 }));
  await expect(request("refuse")).rejects.toMatchObject({
    code: "agent_not_found",
    message: 'No agent "x" here',
  });
  await expect(request("broken")).rejects.toMatchObject({ code: "internal" });
  await expect(request("nothing")).rejects.toMatchObject({
    code: "not_found",
    message: expect.stringContaining('"nothing"'),
  });
  expect(a.links).toEqual(["b bulk up: connected"]);
});

test("a handler that never answers costs the caller its time-out and nothing else", async () => {
  const { world, a, b } = await pair();
  let running = 0;
  b.network.handle("never", () => {
    running++;
    return new Promise(() => {});
  });
  await expect(
    world.settled(a.network.request(b.id, "never", bytes("x"), { timeout_ms: 500 })),
  ).rejects.toMatchObject({ code: "timeout", message: '"b" did not answer never: timed out after 500 ms' });
  expect(running).toBe(1);
  const late = await world.settled(a.network.request(b.id, "reverse", bytes("ab"), { timeout_ms: 500 }));
  expect(late).toEqual(bytes("ba"));
});

test("a peer that is not there fails the request at once; a lost connection ends those that wait", async () => {
  const { world, a, b } = await pair();
  b.network.handle("never", () => new Promise(() => {}));
  const waiting = a.network.request(b.id, "never", bytes(""), { timeout_ms: 60_000 });
  await world.until(() => a.links.length === 1);
  await b.network.close();
  await expect(world.settled(waiting)).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining('Lost the connection to "b"'),
  });
  await expect(
    world.settled(a.network.request(b.id, "reverse", bytes(""), { timeout_ms: 60_000 })),
  ).rejects.toMatchObject({ code: "unreachable", message: "Cannot connect to b:7946: connection refused" });
});

test("requests at once are bounded on both sides", async () => {
  const { world, a, b } = await pair();
  b.network.handle("never", () => new Promise(() => {}));
  const codes: string[] = [];
  for (let i = 0; i < callsLimit + 10; i++) {
    a.network
      .request(b.id, "never", bytes(""), { timeout_ms: 1_000 })
      .catch((error: CaxtonError) => codes.push(error.code));
  }
  await world.until(() => codes.length === callsLimit + 10);
  expect(codes.filter((code) => code === "queue_full").length).toBe(10);
  expect(answersLimit).toBeGreaterThanOrEqual(callsLimit);
  const after = await world.settled(a.network.request(b.id, "reverse", bytes("ok"), { timeout_ms: 1_000 }));
  expect(after).toEqual(bytes("ko"));
});

test("first contact: an address is enough, and both learn who the other is", async () => {
  const world = new PeerWorld();
  const [a, b] = [await world.node("a"), await world.node("b")];
  b.network.onContact(async (hello, from, remote) =>
    bytes(`${new TextDecoder().decode(hello)} ${from} ${remote.host}`),
  );
  const contact = await world.settled(a.network.contact(b.address, bytes("hello"), 1_000));
  expect(contact).toEqual({ from: "b", reply: bytes("hello a a") });
  await world.until(() => b.network.stats().connections === 0);
  expect(a.links).toEqual([]);
  const large = new Uint8Array(1_000_000).fill(7);
  b.network.onContact(async (hello) => hello);
  const echoed = await world.settled(a.network.contact(b.address, large, 60_000));
  expect(Buffer.compare(echoed.reply, large)).toBe(0);
});

test("first contact with nobody, with a silent address, or with another key fails with the reason", async () => {
  const world = new PeerWorld();
  const [a, stranger] = [await world.node("a"), await world.node("s", { key: "other" })];
  const contact = (host: string) => world.settled(a.network.contact({ host, port: 7_946 }, bytes(""), 900));
  await expect(contact("nobody")).rejects.toMatchObject({
    code: "unreachable",
    message: "Cannot connect to nobody:7946: connection refused",
  });
  await expect(contact("s")).rejects.toMatchObject({ code: "wrong_key" });
  expect(stranger.refused[0]).toContain("cluster key");
  world.network.cut(["a"], ["s"]);
  await expect(contact("s")).rejects.toMatchObject({ code: "timeout" });
});
