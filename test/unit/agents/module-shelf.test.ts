/** Modules from peers: whatever they send, only the bytes of the asked-for hash are taken. */
import { expect, test } from "vitest";
import { hashModule, ModuleShelf, modulesMethod } from "../../../src/agents/module-shelf.ts";
import type { NodeId } from "../../../src/base/ids.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Store } from "../../../src/store/store.ts";
import type { Preparer } from "../../../src/wasm/prepare-thread.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";

const [self, liar, honest] = ["node-1", "node-2", "node-3"] as [NodeId, NodeId, NodeId];
const module = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const hash = hashModule(module);

function shelf(answers: Readonly<Record<string, Uint8Array>>): { shelf: ModuleShelf; asked: string[] } {
  const network = new MemoryPeersNetwork(new VirtualClock());
  const asked: string[] = [];
  for (const [node, bytes] of Object.entries(answers)) {
    network.join(node as NodeId).handle(modulesMethod, () => {
      asked.push(node);
      return Promise.resolve(bytes);
    });
  }
  const membership = new MembershipTable(self, [liar, honest]);
  membership.hostModule("agent", honest, hash);
  const store: Pick<Store, "getModule"> = { getModule: () => Promise.resolve(undefined) };
  const options = { store: store as Store, preparer: {} as Preparer, membership, inUse: () => false };
  const rest = { keepers: () => [], clock: new VirtualClock() };
  return { shelf: new ModuleShelf({ ...options, ...rest, peers: network.join(self) }), asked };
}

test("bytes of another hash are not taken: the next holder is asked", async () => {
  const { shelf: here, asked } = shelf({ [liar]: module.toReversed(), [honest]: module });
  expect(await here.fetch(hash, liar)).toEqual(module);
  expect(asked).toEqual([liar, honest]);
});

test("when nobody has the right bytes the refusal names who sent what", async () => {
  const { shelf: here } = shelf({ [liar]: module.toReversed() });
  await expect(here.fetch(hash, liar)).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(
      /node-2: what it sent has another SHA-256; node-3: Cannot reach/,
    ) as string,
  });
});
