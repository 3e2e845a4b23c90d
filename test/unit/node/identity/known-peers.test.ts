import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { KnownPeers } from "../../../../src/node/identity/known-peers.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { Store } from "../../../../src/store/store.ts";
import { encodeUtf8 } from "../../../../src/wire/cursor.ts";
import { MembershipTable } from "../../../support/membership-table.ts";

const [a, b, c] = ["a", "b", "c"] as [NodeId, NodeId, NodeId];

/** The two calls of the store that matter here, over a plain map. */
function metaStore(): { readonly store: Store; readonly values: Map<string, Uint8Array> } {
  const values = new Map<string, Uint8Array>();
  const store: Pick<Store, "getMeta" | "putMeta"> = {
    getMeta: (key) => Promise.resolve(values.get(key)),
    putMeta: (key, value) => {
      values.set(key, value);
      return Promise.resolve();
    },
  };
  return { store: store as Store, values };
}

async function started(
  store: Store,
  others: readonly NodeId[],
): Promise<{ table: MembershipTable; clock: VirtualClock }> {
  const table = new MembershipTable(a, others);
  const clock = new VirtualClock();
  await KnownPeers.start({ membership: table, store, clock, failed: () => {} });
  return { table, clock };
}

describe("addresses of members kept over a restart", () => {
  test("those seen in one run are seeds of the next", async () => {
    const { store } = metaStore();
    const first = await started(store, []);
    first.table.setStatus(b, "alive");
    first.table.setStatus(c, "alive");
    first.clock.advance(5_000);
    const second = await started(store, []);
    expect(second.table.joined.map(({ port }) => port).toSorted()).toEqual([7001, 7002]);
  });

  test("failed members are kept, since they may be back; those that left are not", async () => {
    const { store } = metaStore();
    const first = await started(store, []);
    first.table.setStatus(b, "failed");
    first.table.setStatus(c, "left");
    first.clock.advance(5_000);
    expect((await started(store, [])).table.joined).toEqual([{ host: "127.0.0.1", port: 7001 }]);
  });

  test("a run alone does not forget the others", async () => {
    const { store } = metaStore();
    const first = await started(store, []);
    first.table.setStatus(b, "alive");
    first.clock.advance(5_000);
    const alone = await started(store, []);
    alone.table.setStatus(a, "alive");
    alone.clock.advance(5_000);
    expect((await started(store, [])).table.joined).toHaveLength(1);
  });

  test.each(["", "{", "null", "[1,2]", '["no address"]', `["${"x".repeat(300)}:1"]`])(
    "a damaged list %j starts the node all the same",
    async (text) => {
      const { store, values } = metaStore();
      values.set("cluster.peers", encodeUtf8(text));
      expect((await started(store, [])).table.joined).toEqual([]);
    },
  );
});
