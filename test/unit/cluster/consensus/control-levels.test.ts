import { expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ControlLevels } from "../../../../src/cluster/consensus/control-levels.ts";
import { controlLevel } from "../../../../src/control/command-table.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const [self, other, old] = ["n1" as NodeId, "n2" as NodeId, "n3" as NodeId];

test("nodes tell each other which commands they know; one that does not answer knows those of before", async () => {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  let learned = 0;
  const levels = new ControlLevels({ self, peers: network.join(self), learned: () => learned++ });
  const others = new ControlLevels({ self: other, peers: network.join(other), learned: () => undefined });
  // As the network answers for a program that does not know the method.
  const unknown = new CaxtonError("not_found", 'This node does not answer "control.level"');
  network.join(old).handle("control.level", () => Promise.reject(unknown));
  const of = (id: NodeId, before?: number, bootEpoch = 1) =>
    levels.of({ id, bootEpoch, status: "alive" }, before);
  expect([of(self), of(other), of(other, 2), of(old, 2)]).toEqual([controlLevel, 3, 2, 2]);
  await clock.runUntilSettled(() => learned === 2, 1_000);
  expect([of(other), of(old)]).toEqual([controlLevel, 3]);
  // Of another life nothing is known, nor of one that is no member any more.
  expect(of(other, 2, 2)).toBe(2);
  await clock.runUntilSettled(() => learned === 3, 1_000);
  levels.keepOnly(new Set([old]));
  expect([of(other, 2, 2), of(old, 2)]).toEqual([2, 3]);
  expect(others.of({ id: self, bootEpoch: 1, status: "failed" }, 1)).toBe(1);
});
