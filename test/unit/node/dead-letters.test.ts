/** Three nodes' dead letters, asked for at one of them. */
import type { Peers } from "../../../src/cluster/peers/peers.ts";
import { Unanswered } from "../../../src/cluster/peers/unanswered.ts";
import { beforeEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import type { Router } from "../../../src/messaging/router.ts";
import { NodeDeadLetters } from "../../../src/node/dead-letters.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { DeadLetter, Store } from "../../../src/store/store.ts";
import { decodeMessage, encodeMessage, messageIdOf } from "../../../src/wire/message.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { testMessage } from "../../support/messages.ts";

const ids = ["node-1", "node-2", "node-3"] as NodeId[];
const [one, two, three] = ids as [NodeId, NodeId, NodeId];

/** What a node needs of its store and router, kept in lists. */
class Holder {
  letters: DeadLetter[] = [];
  readonly outbox: Uint8Array[] = [];
  readonly submitted: Uint8Array[] = [];

  constructor(count: number) {
    const message = encodeMessage(testMessage(1));
    for (let id = count; id > 0; id--)
      this.letters.push({ id, reason: "unknown_agent", detail: "", at_ms: id, message });
  }

  readonly store = {
    append: (records: readonly { readonly kind: string; readonly message?: Uint8Array }[]) => {
      for (const { kind, message } of records)
        if (kind === "outbox" && message !== undefined) this.outbox.push(message);
      return Promise.resolve();
    },
    listDeadLetters: ({ limit, cursor }: { limit: number; cursor: string | null }) => {
      const before = cursor === null ? Number.MAX_SAFE_INTEGER : Number(cursor);
      const rest = this.letters.filter(({ id }) => id < before);
      const items = rest.slice(0, limit);
      return Promise.resolve({ items, next: rest.length > limit ? String(items.at(-1)?.id) : null });
    },
    takeDeadLetters: (which: readonly number[] | "all") => {
      const taken = this.letters.filter(({ id }) => which === "all" || which.includes(id));
      this.letters = this.letters.filter((letter) => !taken.includes(letter));
      return Promise.resolve(taken);
    },
  } as unknown as Store;

  readonly router = {
    submit: (message: Uint8Array) => this.submitted.push(message),
  } as unknown as Router;
}

let network: MemoryPeersNetwork;
let membership: MembershipTable;
let holders: Map<NodeId, Holder>;
let letters: NodeDeadLetters;
let peersOfThree: Peers;

beforeEach(() => {
  network = new MemoryPeersNetwork(new VirtualClock());
  membership = new MembershipTable(one, [three, two]);
  holders = new Map();
  for (const [at, self] of [one, two, three].entries()) {
    const holder = new Holder([2, 3, 4][at] as number);
    holders.set(self, holder);
    const { store, router } = holder;
    const peers = network.join(self);
    if (self === three) peersOfThree = peers;
    const node = new NodeDeadLetters({
      self,
      membership,
      peers,
      store,
      router,
      retry_ms: 60_000,
    });
    if (self === one) letters = node;
  }
});

const names = (items: readonly { readonly node: NodeId; readonly id: number }[]): string[] =>
  items.map(({ node, id }) => `${id}@${node}`);

const everything = [
  ...["2@node-1", "1@node-1"],
  ...["3@node-2", "2@node-2", "1@node-2"],
  ...["4@node-3", "3@node-3", "2@node-3", "1@node-3"],
];

describe("the list", () => {
  test("is of every node, newest first within a page", async () => {
    const { items, next, notAsked } = await letters.list({ node: null, limit: 100, cursor: null });
    const byTime = items.toSorted((a, b) => b.at_ms - a.at_ms);
    expect([items, next, notAsked]).toEqual([byTime, null, []]);
    expect(names(items).toSorted()).toEqual(everything.toSorted());
    expect(names(items)[0]).toBe("4@node-3");
  });

  test.each([1, 2, 3, 4, 5, 9])("comes whole and once in pages of %i", async (limit) => {
    const seen: string[] = [];
    for (let cursor: string | null = null, more = true; more; more = cursor !== null) {
      const page: Awaited<ReturnType<typeof letters.list>> = await letters.list({
        node: null,
        limit,
        cursor,
      });
      expect(page.items.length).toBeLessThanOrEqual(limit);
      seen.push(...names(page.items));
      cursor = page.next;
    }
    expect(seen.toSorted()).toEqual(everything.toSorted());
  });

  test("says who could not be asked", async () => {
    membership.setStatus(two, "failed");
    network.cut(one, three);
    const { items, notAsked } = await letters.list({ node: null, limit: 100, cursor: null });
    expect(names(items)).toEqual(["2@node-1", "1@node-1"]);
    expect(notAsked).toEqual([
      { node: two, reason: "it is failed" },
      { node: three, reason: 'Cannot reach node "node-3"' },
    ]);
  });

  test("of one node is of that one, and a node that left is not asked", async () => {
    expect(names((await letters.list({ node: two, limit: 2, cursor: null })).items)).toEqual([
      "3@node-2",
      "2@node-2",
    ]);
    membership.setStatus(three, "left");
    const { items, notAsked } = await letters.list({ node: null, limit: 100, cursor: null });
    expect([items.length, notAsked]).toEqual([5, []]);
  });

  test("an unknown node and a cursor of another list are refused", async () => {
    const none = letters.list({ node: "nobody" as NodeId, limit: 1, cursor: null });
    await expect(none).rejects.toMatchObject({ code: "node_not_found" });
    await expect(letters.list({ node: null, limit: 1, cursor: "?" })).rejects.toMatchObject({
      code: "invalid_argument",
    });
  });
});

describe("a change", () => {
  test("by ids is of one node: this one, or the one that is named", async () => {
    expect(await letters.purge({ ids: [1, 2], node: null })).toEqual({
      count: 2,
      notAsked: [],
      noAnswer: [],
    });
    expect(await letters.replay({ ids: [1, 9], node: two })).toEqual({
      count: 1,
      notAsked: [],
      noAnswer: [],
    });
    expect(holders.get(two)?.outbox).toHaveLength(1);
    expect(holders.get(two)?.submitted).toHaveLength(1);
    expect([...holders.values()].map((holder) => holder.letters.length)).toEqual([0, 2, 4]);
  });

  test("of all is of every node that can be asked, and says of the others that it was not", async () => {
    network.cut(one, three);
    const done = await letters.purge({ ids: "all", node: null });
    expect([done.count, done.notAsked.map(({ node }) => node)]).toEqual([5, [three]]);
    expect([...holders.values()].map((holder) => holder.letters.length)).toEqual([0, 0, 4]);
  });

  test("of all that a node was asked for and may have done is told as that", async () => {
    const late = new Unanswered("timeout", "it did not answer in time");
    for (const method of ["dead-letters.purge", "dead-letters.replay"])
      peersOfThree.handle(method, () => Promise.reject(late));
    for (const change of [letters.replay.bind(letters), letters.purge.bind(letters)]) {
      const { notAsked, noAnswer } = await change({ ids: "all", node: null });
      expect([notAsked, noAnswer]).toEqual([[], [{ node: three, reason: "it did not answer in time" }]]);
    }
  });

  test("at a node that cannot be reached fails", async () => {
    network.cut(one, three);
    await expect(letters.replay({ ids: "all", node: three })).rejects.toMatchObject({ code: "unreachable" });
  });
});

describe("a message that is sent again", () => {
  const replayOf = async (
    reason: string,
  ): Promise<{ before: Uint8Array; outbox: Uint8Array; sent: Uint8Array }> => {
    const holder = holders.get(two) as Holder;
    holder.letters = holder.letters.map((letter) => ({ ...letter, reason }));
    const before = holder.letters.at(-1)?.message ?? new Uint8Array();
    await letters.replay({ ids: [1], node: two });
    const [outbox, sent] = [holder.outbox.pop(), holder.submitted.pop()] as [Uint8Array, Uint8Array];
    return { before, outbox, sent };
  };

  test("has another id when its receiver trapped, which else would take it for a repetition and drop it", async () => {
    const { before, outbox, sent } = await replayOf("trap:fuel");
    expect(messageIdOf(sent)).not.toBe(messageIdOf(before));
    expect(outbox).toEqual(sent);
    expect(decodeMessage(sent)).toEqual({ ...decodeMessage(before), messageId: messageIdOf(sent) });
  });

  test("has the same other id when a crash repeats the replay", async () => {
    const first = await replayOf("trap:fuel");
    holders.set(two, Object.assign(holders.get(two) as Holder, { letters: new Holder(3).letters }));
    expect(messageIdOf((await replayOf("trap:fuel")).sent)).toBe(messageIdOf(first.sent));
  });

  test("keeps its id otherwise: perhaps it was handled after all", async () => {
    const { before, sent } = await replayOf("unreachable");
    expect(messageIdOf(sent)).toBe(messageIdOf(before));
  });

  test("is sent once by two replays at once", async () => {
    const counts = await Promise.all([1, 2].map(() => letters.replay({ ids: "all", node: two })));
    expect(counts.map(({ count }) => count).toSorted()).toEqual([0, 3]);
    expect(holders.get(two)?.submitted).toHaveLength(3);
  });
});
