import { afterEach, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import {
  registeredTerm_ms,
  registerTerm,
  termSetting,
  termSettings_max,
} from "../../../../src/cluster/leases/registered-terms.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const self = "node-1" as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

function cluster() {
  const consensus = new SingleNodeConsensus();
  opened.push(() => consensus.state.close());
  const settings = new SettingStore(new ControlClient(consensus, new VirtualClock(), () => 1_000));
  const register = (ttl_ms: number, members: readonly string[] = []): Promise<void> =>
    registerTerm({ self, ttl_ms, settings, isMember: (node) => members.includes(node) });
  const names = async (): Promise<readonly string[]> =>
    (await settings.list("linearizable")).map(({ name, value }) => `${name} ${value}`);
  return { settings, register, names };
}

test("a node of the usual terms writes nothing; one of others its own, until it has the usual ones again", async () => {
  const { register, names, settings } = cluster();
  await register(2_000);
  expect(await names()).toEqual([]);
  await register(30_000);
  expect(await names()).toEqual([`${termSetting(self)} 30000`]);
  await register(500.5);
  expect(await names()).toEqual([`${termSetting(self)} 501`]);
  const [before] = await settings.list("linearizable");
  await register(500.5);
  expect((await settings.list("linearizable"))[0]?.version).toBe(before?.version);
  await register(2_000);
  expect(await names()).toEqual([]);
});

test("what is damaged counts as the usual, and is written anew", async () => {
  const { register, names, settings } = cluster();
  await settings.put(termSetting(self), "thirty");
  expect(registeredTerm_ms(await settings.list("linearizable"), self)).toBe(2_000);
  await register(30_000);
  expect(await names()).toEqual([`${termSetting(self)} 30000`]);
});

test("of very many, those of nodes that are no members any more go", async () => {
  const { register, names, settings } = cluster();
  await settings.put("failover.lost.node-2", "1");
  for (let i = 0; i < termSettings_max; i++) await settings.put(termSetting(`old-${i}` as NodeId), "30000");
  await register(30_000, ["old-7"]);
  const kept = [
    "failover.lost.node-2 1",
    `${termSetting(self)} 30000`,
    `${termSetting("old-7" as NodeId)} 30000`,
  ];
  expect((await names()).toSorted()).toEqual(kept.toSorted());
});
