/** How nodes learn each other's signing keys: also of one that is not ready to tell its own when it joins. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { KeyExchange } from "../../../../src/node/identity/cluster-keys.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { ClusterKeys } from "../../../../src/security/jwks.ts";
import { makeSigningKey, readSigningKey } from "../../../../src/security/issuer-key.ts";
import type { Store } from "../../../../src/store/store.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { until } from "../../../support/until.ts";

const [a, b] = ["a", "b"] as [NodeId, NodeId];

class TestNode {
  readonly keys = new ClusterKeys();
  readonly failures: string[] = [];
  readonly membership: MembershipTable;
  readonly #peers;
  readonly #clock: VirtualClock;

  constructor(self: NodeId, clock: VirtualClock, network: MemoryPeersNetwork) {
    this.membership = new MembershipTable(self);
    this.#clock = clock;
    this.#peers = network.join(self);
  }

  async start(): Promise<KeyExchange> {
    const { membership, keys, failures } = this;
    const store: Pick<Store, "getMeta" | "putMeta"> = {
      getMeta: () => Promise.resolve(undefined),
      putMeta: () => Promise.resolve(),
    };
    return await KeyExchange.start({
      self: membership.self,
      own: (await readSigningKey(await makeSigningKey())).publicJwk,
      keys,
      membership,
      peers: this.#peers,
      store: store as Store,
      clock: this.#clock,
      failed: (what, reason) => failures.push(`${what}: ${reason}`),
    });
  }
}

function twoNodes(): { clock: VirtualClock; first: TestNode; second: TestNode } {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  return { clock, first: new TestNode(a, clock, network), second: new TestNode(b, clock, network) };
}

/** The clock goes on until `condition`; promises settle in between. */
async function advance(clock: VirtualClock, condition: () => boolean): Promise<void> {
  await until(() => {
    clock.advance(100);
    return condition();
  });
}

test("a node that joins before it answers is asked again, without a warning", async () => {
  const { clock, first, second } = twoNodes();
  await first.start();
  first.membership.setStatus(b, "alive");
  await advance(clock, () => clock.now_ms() >= 300);
  expect(first.keys.owners().has(b)).toBe(false);
  await second.start();
  await advance(clock, () => first.keys.owners().has(b));
  expect(first.failures).toEqual([]);
});

test("a node that never answers is warned of, once", async () => {
  const { clock, first } = twoNodes();
  await first.start();
  first.membership.setStatus(b, "alive");
  await advance(clock, () => first.failures.length > 0);
  await advance(clock, () => clock.next_ms() === undefined);
  expect(first.failures).toEqual([
    'learn the signing key of node "b": This node does not answer "security.jwks"',
  ]);
});

test("nobody asks on when the node has gone, or this one stops", async () => {
  const { clock, first } = twoNodes();
  const exchange = await first.start();
  first.membership.setStatus(b, "alive");
  await advance(clock, () => clock.now_ms() >= 300);
  first.membership.setStatus(b, "failed");
  await advance(clock, () => clock.next_ms() === undefined);
  first.membership.setStatus(b, "alive");
  await advance(clock, () => clock.next_ms() !== undefined);
  exchange.close();
  expect(clock.next_ms()).toBeUndefined();
  expect(first.failures).toEqual([]);
});
