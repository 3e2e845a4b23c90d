/** What a node does when its store is an old copy: whose epochs rise, what is told and when, and what does not stop it. */
import { afterEach, expect, test } from "vitest";
import type { OwnedAgent } from "../../../../src/agents/assignment-table.ts";
import type { AgentName, NodeId } from "../../../../src/base/ids.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { settings_max } from "../../../../src/control/limits.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { OldStoreCheck, type OldStoreCheckOptions } from "../../../../src/node/ownership/old-store.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { testSpec } from "../../../support/agent-specs.ts";
import { LocalStore } from "../../../support/local-store.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const self = "node-3" as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0).toReversed()) close();
});

function ownedOf(name: string): OwnedAgent {
  const spec = testSpec(name, { durability: "local", epoch: 4 });
  const { name: agent, epoch } = spec;
  return { agent, node: self, epoch, continues: 0, transfer: 0, spec } as unknown as OwnedAgent;
}

class World {
  readonly consensus = new SingleNodeConsensus();
  readonly clock = new VirtualClock();
  readonly settings = new SettingStore(new ControlClient(this.consensus, this.clock, () => 1_000));
  readonly events = new EventLog(this.clock, 1);
  readonly moved: string[] = [];
  /** What the copy has, what was placed here since the node started, and both as the cluster has them. */
  readonly copied = new Map(["a", "b"].map((name) => [name as AgentName, ownedOf(name)]));
  readonly placed = new Map([["c" as AgentName, ownedOf("c")]]);
  /** The next readings of the assignments fail. */
  failures = 0;
  /** Messages of the outbox that become dead letters, and what the cluster knows of the store when they do. */
  unsent = 0;
  markedThen: string | undefined;
  /** What is known of the copy when agents are moved. */
  knownThen: unknown;

  constructor() {
    opened.push(() => this.consensus.state.close());
  }

  check(boot: number): OldStoreCheck {
    const store = new LocalStore();
    opened.push(() => store.engine.close());
    const all = new Map(this.copied);
    const check: OldStoreCheck = new OldStoreCheck({
      self,
      boot,
      settings: this.settings,
      store: store.client(),
      assignments: {
        move: ({ moves }: { readonly moves: readonly { readonly agent: string }[] }) => {
          this.knownThen = check.old;
          this.moved.push(...moves.map(({ agent }) => agent));
          return Promise.resolve(moves.length);
        },
      },
      table: {
        of: () => new Set(all.keys()),
        get: (name: AgentName) => all.get(name),
        refresh: () =>
          this.failures-- > 0 ? Promise.reject(new CaxtonError("no_quorum", "none")) : Promise.resolve(),
      },
      local: {
        names: () => [...this.copied.keys()],
        get: (name: AgentName) => all.get(name),
        isHosted: (name: AgentName) => this.placed.has(name),
      },
      mail: {
        doubt: async () => {
          await Promise.resolve();
          const told = (await this.settings.list("local")).find(({ name }) => name === `store.mark.${self}`);
          this.markedThen = told?.value;
          return this.unsent;
        },
      },
      events: this.events,
      clock: this.clock,
    } as unknown as OldStoreCheckOptions);
    opened.push(() => void check.close());
    for (const [name, owned] of this.placed) all.set(name, owned);
    return check;
  }

  get told(): string[] {
    return this.events.since(0, 100).map(({ type }) => type);
  }
}

test("agents of the copy get another epoch, those that were placed since do not; it is told, also where the answer fails", async () => {
  const world = new World();
  await world.settings.put(`store.mark.${self}`, JSON.stringify({ mark: 1_000, since: null }));
  const check = world.check(2_000);
  world.failures = 1;
  await expect(check.check()).rejects.toMatchObject({ code: "no_quorum" });
  expect([world.moved, world.told]).toEqual([["a", "b"], ["store.old_copy"]]);
  expect(world.knownThen).toEqual({ since_ms: 0, marked_ms: 1_000 });
  await check.check();
  expect([world.moved, world.told, check.old]).toEqual([["a", "b"], ["store.old_copy"], world.knownThen]);
});

test("its mail is put aside before the cluster takes the copy for what the node has; also where no agent is", async () => {
  const world = new World();
  world.copied.clear();
  world.placed.clear();
  world.unsent = 3;
  const marked = JSON.stringify({ mark: 1_000, since: null });
  await world.settings.put(`store.mark.${self}`, marked);
  await world.check(2_000).check();
  expect(world.markedThen).toBe(marked);
  const [event] = world.events.since(0, 100);
  expect(event).toMatchObject({ type: "store.old_copy", data: { agents: 0, messages: 3 } });
  expect(event?.text).toContain("3 messages of its outbox, perhaps delivered since, not sent");
});

test("a store that is no copy has nothing to doubt", async () => {
  const world = new World();
  await world.check(2_000).check();
  expect([world.markedThen, world.moved, world.told]).toEqual([undefined, [], []]);
});

test("where the cluster has no room for a mark nothing is noticed, and all goes on; where it has no quorum it is asked again", async () => {
  const world = new World();
  for (let i = 0; i < settings_max; i++) await world.settings.put(`other.${i}`, "");
  const check = world.check(2_000);
  await check.check();
  expect([world.moved, check.old]).toEqual([[], null]);
  world.consensus.quorum = false;
  await expect(world.check(3_000).check()).rejects.toMatchObject({ code: "no_quorum" });
});
