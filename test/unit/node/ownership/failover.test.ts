import { afterEach, describe, expect, test } from "vitest";
import { AssignmentTable } from "../../../../src/agents/assignment-table.ts";
import { encodeSpec } from "../../../../src/agents/agent-requests.ts";
import { AssignedOwnership } from "../../../../src/agents/ownership.ts";
import type { AgentName, ModuleHash, NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import type { LeaseAuthority } from "../../../../src/cluster/leases/node-lease.ts";
import { AssignmentStore } from "../../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { Failover } from "../../../../src/node/ownership/failover.ts";
import { FlapHold } from "../../../../src/node/ownership/flap-hold.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { type SpecFields, testSpec } from "../../../support/agent-specs.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";
import { UnheardTable } from "../../../support/unheard-table.ts";

const node = (id: string) => id as NodeId;
const agent = (name: string) => name as AgentName;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** Permits what the test lets it. */
class Permits implements Pick<LeaseAuthority, "permission" | "ended" | "admit"> {
  free = true;
  term = 1;
  /** Given, and how many are to be. */
  given = 0;
  most = Number.POSITIVE_INFINITY;
  readonly lives: string[] = [];
  readonly admitted: NodeId[] = [];
  /** Answered only then. */
  answer: Promise<void> = Promise.resolve();

  permission(): Promise<{ readonly term: number } | null> {
    return this.answer.then(() =>
      this.free && this.given < this.most ? { term: (this.given++, this.term) } : null,
    );
  }

  ended(id: NodeId, boot: number): void {
    this.lives.push(`${id} ${boot}`);
  }

  admit(id: NodeId): void {
    this.admitted.push(id);
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly consensus = new SingleNodeConsensus();
  readonly membership = new MembershipTable(node("n1"), [node("n2"), node("n3")]);
  readonly client = new ControlClient(this.consensus, this.clock, () => 1_000);
  readonly store = new AssignmentStore(this.client);
  readonly settings = new SettingStore(this.client);
  readonly failures: string[] = [];
  readonly failed = (what: string, reason: string): void => void this.failures.push(`${what}: ${reason}`);
  readonly table = new AssignmentTable(this.store, this.consensus, this.clock, this.failed);
  readonly authority = new Permits();
  readonly unheard = new UnheardTable();
  readonly chosen: NodeId[] = [];
  readonly events = new EventLog(this.clock, 1);
  failover: Failover;

  /** Messages a second that any agent has with agents on each node. */
  traffic: ReadonlyMap<NodeId, number> | undefined;

  constructor(enabled = true) {
    this.failover = this.#newFailover(enabled);
    opened.push(() => {
      this.failover.close();
      this.table.close();
      this.consensus.state.close();
    });
  }

  /** Another leader, which has seen nothing itself. */
  replaceLeader(): void {
    this.failover.close();
    this.failover = this.#newFailover(true);
  }

  #newFailover(enabled: boolean): Failover {
    const { table, store, settings, membership } = this;
    const prng = new Prng(1);
    const { unheard } = this;
    const isUnheard = (id: NodeId): boolean => unheard.has(id);
    const ownership = new AssignedOwnership({ membership, table, store, prng, isUnheard });
    return new Failover({
      unheard,
      self: node("n1"),
      membership,
      consensus: this.consensus,
      table,
      store,
      settings,
      authority: this.authority,
      traffic: () => this.traffic,
      candidates: () => ownership.candidates(),
      chose: (id) => this.chosen.push(id),
      events: this.events,
      clock: this.clock,
      prng,
      enabled,
      threshold: 3,
      restartGrace_ms: 30_000,
      failed: this.failed,
    });
  }

  async assign(name: string, to: string, fields: SpecFields = {}): Promise<void> {
    const spec = testSpec(name, { durability: "local", ...fields });
    const put = { agent: spec.name, node: node(to), expected: null, revision: 1, above: 0, continues: 0 };
    await this.store.put({ ...put, cause: "deployed", suspended: false, spec: encodeSpec(spec) }, "");
    await this.table.refresh();
  }

  /** So much time, with all that waits for it and follows from it. */
  async pass(time_ms: number): Promise<void> {
    for (let left_ms = time_ms; left_ms > 0; left_ms -= 50) {
      this.clock.advance(Math.min(50, left_ms));
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 200; i++) await Promise.resolve();
  }

  ownerOf(name: string): string | undefined {
    return this.table.get(agent(name))?.node;
  }

  /** The new owner says that it runs. */
  runs(name: string): void {
    const owned = this.table.get(agent(name));
    if (owned === undefined) throw new Error(`${name} has no owner`);
    const { node: at, epoch, revision } = owned;
    const module = "0".repeat(64) as ModuleHash;
    this.membership.tell({ agent: agent(name), node: at, epoch, revision, status: "running", module });
  }

  get told(): string[] {
    return this.events.since(0, 1_000).map(({ text }) => text);
  }
}

describe("a lost node", () => {
  test("its agents go to others, and the events tell it with the seconds that it took", async () => {
    const world = new World();
    for (const name of ["a", "b", "c"]) await world.assign(name, "n3");
    await world.assign("stays", "n2");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(200);
    expect(world.ownerOf("a")).toBe("n3");
    await world.pass(300);
    const owners = ["a", "b", "c"].map((name) => world.ownerOf(name));
    expect(owners.every((owner) => owner === "n1" || owner === "n2")).toBe(true);
    expect(world.ownerOf("stays")).toBe("n2");
    expect(world.chosen.toSorted()).toEqual(owners.toSorted());
    expect(world.table.get(agent("a"))).toMatchObject({ cause: "failover", previous: "n3", continues: 0 });
    await world.pass(1_500);
    for (const name of ["a", "b", "c"]) world.runs(name);
    expect(world.told[0]).toBe("Redistributing 3 agents from n3");
    expect(world.told.slice(1, -1).toSorted()).toEqual(
      ["a", "b", "c"].map((name) => `Agent '${name}' migrated to ${world.ownerOf(name)}`),
    );
    expect(world.told.at(-1)).toBe("All agents successfully redistributed (2.0s)");
    expect(world.failures).toEqual([]);
  });

  test("what its owner before says of an agent late is no sign that it runs elsewhere", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.runs("a");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    expect(world.ownerOf("a")).not.toBe("n3");
    expect(world.told).toEqual(["Redistributing 1 agent from n3"]);
    world.runs("a");
    expect(world.told.at(-1)).toContain("All agents successfully redistributed");
  });

  test("an instance goes where none of its siblings is, and who wants to be near its partners goes there", async () => {
    const world = new World();
    const instance = (index: number) => ({ instance: { of: agent("web"), index, count: 2 } });
    await world.assign("web-1", "n3", instance(1));
    await world.assign("web-2", "n1", instance(2));
    for (let i = 0; i < 5; i++) await world.assign(`full-${i}`, "n2");
    const { placement } = testSpec("near");
    await world.assign("near", "n3", { placement: { ...placement, strategy: "locality" } });
    world.traffic = new Map([[node("n2"), 50]]);
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    expect([world.ownerOf("web-1"), world.ownerOf("near")]).toEqual(["n2", "n2"]);
  });

  test("nothing moves while its lease may run, nor when it is back before that", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.authority.free = false;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(5_000);
    expect(world.ownerOf("a")).toBe("n3");
    world.membership.setStatus(node("n3"), "alive");
    world.authority.free = true;
    await world.pass(5_000);
    expect(world.ownerOf("a")).toBe("n3");
    expect(world.told).toEqual([]);
  });

  test("agents that wait for their node, or go on there, stay; that is told once", async () => {
    const world = new World();
    await world.assign("waits", "n3", { onNodeLoss: "wait" });
    await world.assign("goes-on", "n3", { partition: "continue" });
    await world.assign("moves", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(3_000);
    expect(["waits", "goes-on"].map((name) => world.ownerOf(name))).toEqual(["n3", "n3"]);
    expect(world.ownerOf("moves")).not.toBe("n3");
    expect(world.told.filter((text) => text.startsWith("Left to wait for n3: 2 agents"))).toHaveLength(1);
  });

  test("one that stopped in order keeps its agents for the time of a restart", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "left", "left");
    await world.pass(29_000);
    expect(world.ownerOf("a")).toBe("n3");
    await world.pass(2_000);
    expect(world.ownerOf("a")).not.toBe("n3");
  });

  test("one whose launcher says that it ended and is not back is not waited for", async () => {
    const world = new World();
    await world.assign("light", "n3", { durability: "volatile" });
    await world.assign("heavy", "n3");
    world.membership.setStatus(node("n3"), "failed", "its launcher certified the end of boot epoch 1");
    expect(world.authority.lives).toEqual(["n3 1"]);
    await world.pass(50);
    expect([world.ownerOf("light"), world.ownerOf("heavy")]).not.toContain("n3");
  });

  test("what was found out by silence is certain once its launcher says so", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.authority.free = false;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(100);
    world.membership.setStatus(node("n3"), "failed", "its launcher certified the end of boot epoch 1");
    expect(world.authority.lives).toEqual(["n3 1"]);
    world.authority.free = true;
    await world.pass(100);
    expect(world.ownerOf("a")).not.toBe("n3");
  });

  test.each(["no_quorum", "lost_after"] as const)(
    "a loss is written down though the first move of its agents got no answer: %s",
    async (fault) => {
      const world = new World();
      await world.assign("a", "n3");
      world.consensus.faults.push(fault);
      // Beyond the client's own tries.
      if (fault === "no_quorum") for (let n = 0; n < 3; n++) world.consensus.faults.push(fault);
      world.membership.setStatus(node("n3"), "failed");
      await world.pass(10_000);
      expect(world.ownerOf("a")).not.toBe("n3");
      expect((await world.settings.list("local")).map(({ name }) => name)).toEqual(["failover.lost.n3"]);
    },
  );

  test("one that is lost again is waited for longer", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(600);
    expect(world.ownerOf("a")).not.toBe("n3");
    world.membership.setStatus(node("n3"), "alive");
    await world.assign("b", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(4_000);
    expect(world.ownerOf("b")).toBe("n3");
    await world.pass(2_000);
    expect(world.ownerOf("b")).not.toBe("n3");
    const held = world.events.since(0, 100).filter(({ type }) => type === "failover.held");
    expect(held.map(({ text }) => text)).toEqual([
      "Node n3 was lost before, not long ago: it is waited for, for 5s",
    ]);
  });

  test("one that an operator removes is not waited for any longer, and that is no loss", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(600);
    world.membership.setStatus(node("n3"), "alive");
    await world.assign("b", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(600);
    expect(world.ownerOf("b")).toBe("n3");
    world.membership.forget(node("n3"), "removed by an operator");
    await world.pass(600);
    expect(world.ownerOf("b")).not.toBe("n3");
    const flaps = new FlapHold(world.settings, world.clock);
    await flaps.read();
    expect(flaps.recent(node("n3"))?.count).toBe(1);
  });

  test("one that stopped in order is not said to be waited for because of an earlier loss", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(600);
    world.membership.setStatus(node("n3"), "alive");
    await world.assign("b", "n3");
    world.membership.setStatus(node("n3"), "left", "left");
    await world.pass(600);
    expect(world.events.since(0, 100).filter(({ type }) => type === "failover.held")).toEqual([]);
  });

  test("a leader that comes later knows of it, and counts one loss once", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(600);
    expect(world.ownerOf("a")).not.toBe("n3");
    // What the leader before has begun with is no second loss.
    await world.assign("late", "n3");
    world.replaceLeader();
    await world.pass(1_000);
    expect(world.ownerOf("late")).not.toBe("n3");
    world.membership.setStatus(node("n3"), "alive");
    await world.assign("b", "n3");
    world.membership.setStatus(node("n3"), "failed");
    world.replaceLeader();
    await world.pass(4_000);
    expect(world.ownerOf("b")).toBe("n3");
    await world.pass(2_000);
    expect(world.ownerOf("b")).not.toBe("n3");
  });

  test("an owner that nobody knows is given up after the time of a restart", async () => {
    const world = new World();
    await world.assign("a", "n9");
    await world.pass(29_000);
    expect(world.ownerOf("a")).toBe("n9");
    await world.pass(3_000);
    expect(world.ownerOf("a")).not.toBe("n9");
  });
});

describe("a node that is there, and that the leader does not hear", () => {
  test("is lost once no lease of it can run; what waits for it or goes on there stays, and it gets nothing", async () => {
    const world = new World();
    world.authority.free = false;
    await world.assign("a", "n3");
    await world.assign("waits", "n3", { onNodeLoss: "wait" });
    await world.assign("goes-on", "n3", { partition: "continue" });
    const others = ["b", "c", "d", "e", "f", "g"];
    for (const name of others) await world.assign(name, "n2");
    world.membership.describe(node("n1"), { maxAgents: 4 });
    world.unheard.set(node("n3"), true);
    await world.pass(2_000);
    expect(world.ownerOf("a")).toBe("n3");
    world.authority.free = true;
    await world.pass(1_000);
    expect(world.ownerOf("a")).not.toBe("n3");
    expect([world.ownerOf("waits"), world.ownerOf("goes-on")]).toEqual(["n3", "n3"]);
    expect(world.told).toContain(
      "Left to wait for n3: 2 agents (--on-node-loss wait, or --partition continue)",
    );
    world.membership.setStatus(node("n2"), "failed");
    await world.pass(1_000);
    // Some find no room: rather that than a node that could not act for them.
    expect(new Set(others.map((name) => world.ownerOf(name)))).toEqual(new Set(["n1", "n2"]));
  });

  test("has what is left to it when it is heard again, and is waited for longer when it is lost again", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.unheard.set(node("n3"), true);
    await world.pass(600);
    expect(world.ownerOf("a")).not.toBe("n3");
    world.unheard.set(node("n3"), false);
    await world.assign("b", "n3");
    await world.pass(2_000);
    expect(world.ownerOf("b")).toBe("n3");
    world.unheard.set(node("n3"), true);
    await world.pass(4_000);
    expect(world.ownerOf("b")).toBe("n3");
    await world.pass(2_000);
    expect(world.ownerOf("b")).not.toBe("n3");
  });

  test("that fails before anything of it is given away is lost as one that failed, whoever leads then: once", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.authority.free = false;
    world.unheard.set(node("n3"), true);
    await world.pass(1_000);
    world.membership.setStatus(node("n3"), "failed");
    world.authority.free = true;
    await world.pass(1_000);
    expect(world.ownerOf("a")).not.toBe("n3");
    await world.assign("late", "n3");
    world.replaceLeader();
    await world.pass(1_000);
    expect(world.ownerOf("late")).not.toBe("n3");
  });

  test("whose renewals come while its leader asks keeps its agents", async () => {
    const world = new World();
    await world.assign("a", "n3");
    const asked = Promise.withResolvers<void>();
    world.authority.answer = asked.promise;
    world.unheard.set(node("n3"), true);
    await world.pass(1_000);
    world.unheard.set(node("n3"), false);
    asked.resolve();
    await world.pass(1_000);
    expect(world.ownerOf("a")).toBe("n3");
    expect(world.authority.admitted).toEqual(["n3"]);
  });
});

describe("who decides", () => {
  test("whoever leads, as soon as it does", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.consensus.setLeads(false);
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(5_000);
    expect(world.ownerOf("a")).toBe("n3");
    world.consensus.setLeads(true);
    await world.pass(500);
    expect(world.ownerOf("a")).not.toBe("n3");
  });

  test("nobody, where it is switched off", async () => {
    const world = new World(false);
    await world.assign("a", "n3");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(5_000);
    expect(world.ownerOf("a")).toBe("n3");
  });

  test("agents that find no room are told of, and placed when there is some", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.membership.setStatus(node("n2"), "suspect");
    world.membership.setStatus(node("n1"), "suspect");
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    expect(world.ownerOf("a")).toBe("n3");
    expect(world.told[0]).toMatch(/^No room for 1 agent of n3: /);
    world.membership.setStatus(node("n2"), "alive");
    await world.pass(3_000);
    expect(world.ownerOf("a")).toBe("n2");
  });

  test("a leader whose term is over by the time of the move gives nothing away, and lets the node have its lease", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.authority.term = 7;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    expect([world.ownerOf("a"), world.authority.admitted[0]]).toEqual(["n3", "n3"]);
    world.authority.term = 1;
    await world.pass(3_000);
    expect(world.ownerOf("a")).not.toBe("n3");
  });

  test("a node that is back while its leader asks keeps its agents, and may have its lease", async () => {
    const world = new World();
    await world.assign("a", "n3");
    const gate = Promise.withResolvers<void>();
    world.authority.answer = gate.promise;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    world.membership.setStatus(node("n3"), "alive");
    gate.resolve();
    await world.pass(1_000);
    expect([world.ownerOf("a"), world.authority.admitted]).toEqual(["n3", ["n3"]]);
    expect(world.told).toEqual([]);
  });

  test("a node that is back between two batches keeps what was not moved yet", async () => {
    const world = new World();
    const names = Array.from({ length: 501 }, (_, i) => `a-${i}`);
    for (const name of names) await world.assign(name, "n3");
    world.membership.describe(node("n2"), { maxAgents: 1_000 });
    world.authority.most = 1;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(1_000);
    expect(world.table.of(node("n3")).size).toBe(1);
    expect(world.authority.admitted).toEqual(["n3"]);
    world.authority.most = 10;
    await world.pass(1_000);
    expect(world.table.of(node("n3")).size).toBe(0);
    expect(world.failures).toEqual([]);
  });

  test("a leader that has no quorum, or has not read what was decided, waits", async () => {
    const world = new World();
    await world.assign("a", "n3");
    world.consensus.quorum = false;
    world.membership.setStatus(node("n3"), "failed");
    await world.pass(2_000);
    expect([world.ownerOf("a"), world.authority.admitted]).toEqual(["n3", []]);
  });
});

test("a flapping node is waited for twice as long each time, two minutes at most, until it was well for ten", async () => {
  const clock = new VirtualClock();
  const consensus = new SingleNodeConsensus();
  const settings = new SettingStore(new ControlClient(consensus, clock, () => 1_000));
  const flaps = new FlapHold(settings, clock);
  const id = node("n3");
  expect(flaps.hold_ms(id, "1.0")).toBe(0);
  const holds: number[] = [];
  for (let boot = 1; boot <= 8; boot++) {
    for (let times = 0; times < 2; times++) await flaps.lost(id, `${boot}.0`);
    holds.push(flaps.hold_ms(id, `${boot}.1`) / 1_000);
  }
  expect(holds).toEqual([5, 10, 20, 40, 80, 120, 120, 120]);
  expect(flaps.hold_ms(id, "8.0")).toBe(120_000);
  clock.advance(600_000);
  expect(flaps.hold_ms(id, "9.0")).toBe(120_000);
  clock.advance(1);
  expect(flaps.hold_ms(id, "9.0")).toBe(0);
  await flaps.lost(node("n2"), "1.0");
  // What is forgiven goes.
  expect((await settings.list("local")).map(({ name }) => name)).toEqual(["failover.lost.n2"]);
  await settings.put("failover.lost.n3", "rubbish");
  const other = new FlapHold(settings, clock);
  await other.read();
  expect([other.hold_ms(id, "1.0"), other.hold_ms(node("n2"), "2.0")]).toEqual([0, 5_000]);
  consensus.state.close();
});
