/** Mail that the outbox had when the node started, with the router and the store that it is made for. */
import { afterEach, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { Router } from "../../../../src/messaging/router.ts";
import { FoundMail } from "../../../../src/node/ownership/found-mail.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { decodeUtf8 } from "../../../../src/wire/cursor.ts";
import { contentOf, messageIdOf, receiverOf } from "../../../../src/wire/message.ts";
import { LocalStore } from "../../../support/local-store.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { encodedMessage } from "../../../support/messages.ts";

const self = "node-1" as NodeId;
const stores: LocalStore[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.engine.close();
});

/** A node whose router may send everything, as far as leases go. */
class World {
  readonly clock = new VirtualClock();
  readonly local = new LocalStore();
  readonly store = this.local.client();
  readonly delivered: string[] = [];
  readonly doubted: string[] = [];
  readonly membership = new MembershipTable(self);
  readonly found: FoundMail;
  readonly router: Router;

  constructor() {
    stores.push(this.local);
    this.found = new FoundMail({
      router: () => this.router,
      store: this.store,
      doubted: (message) => this.doubted.push(decodeUtf8(contentOf(message))),
    });
    this.router = new Router({
      self,
      session: 1,
      clock: this.clock,
      prng: new Prng(1),
      membership: this.membership,
      peers: new MemoryPeersNetwork(this.clock).join(self),
      store: this.store,
      local: {
        deliver: (message, done) => {
          this.delivered.push(decodeUtf8(contentOf(message)));
          done("accepted");
        },
      },
      clients: { deliver: () => {} },
      acting: { holds: () => !this.found.waits, frees: (message) => !this.found.holds(message) },
      deadLettered: () => {},
      failed: () => {},
    });
    this.membership.host("bob", self);
  }

  /** What the last run left in the outbox, as a start takes it up. */
  async restore(messages: readonly Uint8Array[]): Promise<void> {
    await this.done(this.store.append(messages.map((message) => ({ kind: "outbox", message }))));
    for (const message of await this.done(this.store.recoverOutbox())) this.take(message, this.found);
  }

  submit(message: Uint8Array) {
    return this.router.submit(message, { durable: true, retry_ms: 60_000, deadLetter: true, done: () => {} });
  }

  take(message: Uint8Array, found: FoundMail): void {
    found.add(message, () => this.submit(message));
  }

  async done<T>(asked: Promise<T>): Promise<T> {
    await this.local.settle();
    return await asked;
  }

  /** The router's timers until then, and what they begin. */
  async pass(wait_ms: number): Promise<void> {
    const end_ms = this.clock.now_ms() + wait_ms;
    while ((this.clock.next_ms() ?? Infinity) <= end_ms) {
      this.clock.step();
      await this.local.settle();
    }
  }
}

const clients = "~carol.1@node-1";

test("waits, in the order of its lanes, for as long as nobody says what the store is; then it goes", async () => {
  const world = new World();
  await world.restore([1, 2].map((id) => encodedMessage(id, { sender: clients, conversationId: "c" })));
  // Of the same client and conversation, and of another.
  world.submit(encodedMessage(3, { sender: clients, conversationId: "c" }));
  world.submit(encodedMessage(4, { sender: clients, conversationId: "d" }));
  await world.pass(3_600_000);
  expect([world.delivered, world.found.waits]).toEqual([["message 4"], true]);
  world.found.release();
  await world.local.settle();
  expect([world.delivered, world.found.waits]).toEqual([
    ["message 4", "message 1", "message 2", "message 3"],
    false,
  ]);
  expect(await world.done(world.store.recoverOutbox())).toEqual([]);
});

test("of an old copy becomes dead letters, once; what came since is sent", async () => {
  const world = new World();
  await world.restore([encodedMessage(1, { sender: clients }), encodedMessage(2, { sender: "alice" })]);
  const later = encodedMessage(3, { sender: clients });
  await world.done(world.store.append([{ kind: "outbox", message: later }]));
  world.submit(later);
  expect(await world.done(world.found.doubt())).toBe(2);
  expect(await world.done(world.found.doubt())).toBe(2);
  world.found.release();
  await world.pass(60_000);
  expect([world.delivered, world.doubted]).toEqual([["message 3"], ["message 1", "message 2"]]);
  const { items } = await world.done(world.store.listDeadLetters({ limit: 10, cursor: null }));
  expect(items.map(({ reason, message }) => [reason, receiverOf(message)])).toEqual([
    ["old_copy", "bob"],
    ["old_copy", "bob"],
  ]);
  expect(await world.done(world.store.recoverOutbox())).toEqual([]);
  expect(world.router.carries(messageIdOf(encodedMessage(1)))).toBe(false);
});

test("what is taken up after that is sent at once", async () => {
  const world = new World();
  world.found.release();
  await world.restore([encodedMessage(1)]);
  expect(world.delivered).toEqual(["message 1"]);
});
