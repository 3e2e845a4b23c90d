import { afterEach, describe, expect, test } from "vitest";
import { encodeSpec } from "../../../../src/agents/agent-requests.ts";
import { AssignmentTable } from "../../../../src/agents/assignment-table.ts";
import { AssignedOwnership } from "../../../../src/agents/ownership.ts";
import type { AgentName, NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { AssignmentStore } from "../../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { FlapHold } from "../../../../src/node/ownership/flap-hold.ts";
import { Rebalancer } from "../../../../src/node/ownership/rebalancing.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { AssignmentCause } from "../../../../src/wire/control-assignments.ts";
import { type SpecFields, testSpec } from "../../../support/agent-specs.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";
import { UnheardTable } from "../../../support/unheard-table.ts";

const node = (id: string) => id as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

class World {
  readonly clock = new VirtualClock();
  readonly consensus = new SingleNodeConsensus();
  readonly membership = new MembershipTable(node("n1"), [node("n2"), node("n3")]);
  readonly client = new ControlClient(this.consensus, this.clock, () => 1_000);
  readonly store = new AssignmentStore(this.client);
  /** As failover keeps them, at whichever node leads. */
  readonly losses = new FlapHold(new SettingStore(this.client), this.clock);
  readonly failures: string[] = [];
  readonly failed = (what: string, reason: string): void => void this.failures.push(`${what}: ${reason}`);
  readonly table = new AssignmentTable(this.store, this.consensus, this.clock, this.failed);
  readonly events = new EventLog(this.clock, 1);
  readonly unheard = new UnheardTable();
  readonly rebalancer: Rebalancer;
  readonly network = new MemoryPeersNetwork(this.clock);

  constructor(onJoin = true) {
    const { table, store, membership, consensus, clock, events, failed, unheard } = this;
    const isUnheard = (id: NodeId): boolean => unheard.has(id);
    const ownership = new AssignedOwnership({ membership, table, store, prng: new Prng(1), isUnheard });
    const { network } = this;
    const peers = network.join(node("n1"));
    network.join(node("n2")).handle("agents.migrate", async (body) => {
      const { name, to, cause } = JSON.parse(new TextDecoder().decode(body)) as {
        name: AgentName;
        to: NodeId;
        cause: AssignmentCause;
      };
      await this.moves(name, to, cause);
      return new TextEncoder().encode("{}");
    });
    this.rebalancer = new Rebalancer({
      self: node("n1"),
      membership,
      consensus,
      table,
      candidates: () => ownership.candidates(),
      handOver: { move: (name, to, cause) => this.moves(name, to, cause) },
      peers,
      events,
      clock,
      traffic: () => Promise.resolve(new Map()),
      strategy: () => "least_loaded",
      roundRobinIndex: () => 0,
      backend: () => ({ chosen: 0, failed: 0, in_flight: 0, connections: 0 }),
      unheard,
      onJoin,
      losses: new FlapHold(new SettingStore(this.client), this.clock),
      failed,
    });
    opened.push(() => {
      this.rebalancer.close();
      table.close();
      consensus.state.close();
    });
  }

  async moves(agent: AgentName, to: NodeId, cause: AssignmentCause): Promise<void> {
    const owned = this.table.get(agent);
    if (owned === undefined) throw new Error(`no ${agent}`);
    const move = { agent, from: owned.node, epoch: owned.epoch, to, continues: owned.epoch, transfer: 1 };
    this.consensus.wall_ms = this.clock.wall_ms();
    await this.store.move({ cause, term: 0, moves: [move] }, "");
    await this.table.refresh();
  }

  /** It is gone, and its agents are given to another, but for those that wait for it. */
  async loses(id: NodeId, to: NodeId, waiting: readonly string[] = []): Promise<void> {
    this.membership.setStatus(id, "failed");
    for (const agent of this.table.of(id))
      if (!waiting.includes(agent)) await this.moves(agent, to, "failover");
    await this.losses.lost(id, `${this.clock.now_ms()}`);
  }

  async assign(name: string, to: string, fields: SpecFields = {}): Promise<void> {
    const spec = testSpec(name, { durability: "local", ...fields });
    this.consensus.wall_ms = this.clock.wall_ms();
    const put = { agent: spec.name, node: node(to), expected: null, revision: 1, above: 0, continues: 0 };
    await this.store.put({ ...put, cause: "deployed", suspended: false, spec: encodeSpec(spec) }, "");
    await this.table.refresh();
  }

  /** Lets follow what was begun, timers of so long included. */
  async pass(time_ms: number): Promise<void> {
    for (let left_ms = time_ms; left_ms > 0; left_ms -= 100) {
      this.clock.advance(Math.min(100, left_ms));
      for (let i = 0; i < 300; i++) await Promise.resolve();
    }
  }

  counts(): Record<string, number> {
    return Object.fromEntries(["n1", "n2", "n3", "n4"].map((id) => [id, this.table.of(node(id)).size]));
  }

  get told(): string[] {
    return this.events.since(0, 1_000).map(({ text }) => text);
  }
}

describe("a rebalance", () => {
  test("moves what its plan says, through a hand-over each, and tells it as a failover is told", async () => {
    const world = new World();
    for (let i = 0; i < 6; i++) await world.assign(`a-${i}`, "n1");
    const { moves } = await world.rebalancer.plan("even_distribution");
    expect(moves).toHaveLength(4);
    expect(world.counts()).toMatchObject({ n1: 6, n2: 0, n3: 0 });
    const done = world.rebalancer.rebalance("even_distribution");
    await world.pass(100);
    expect(await done).toMatchObject({ moved: 4, failed: [] });
    expect(world.counts()).toMatchObject({ n1: 2, n2: 2, n3: 2 });
    expect(world.table.get(moves[0]?.agent as AgentName)).toMatchObject({
      cause: "rebalanced",
      previous: "n1",
    });
    expect(world.told[0]).toBe("Rebalancing 4 agents (even_distribution)");
    expect(world.told).toContain(`Agent '${moves[0]?.agent}' migrated to ${moves[0]?.to}`);
    expect(world.told.at(-1)).toMatch(/^All agents successfully rebalanced/);
  });

  test("asks the node that has an agent, moves none that is bound to its node, and one run goes at a time", async () => {
    const world = new World();
    for (let i = 0; i < 3; i++) await world.assign(`a-${i}`, "n2");
    const placement = {
      strategy: "round_robin",
      preferNodes: [],
      services: [],
      region: null,
      zone: null,
    } as const;
    await world.assign("bound", "n2", { placement: { ...placement, targetNode: node("n2") } });
    const first = world.rebalancer.rebalance("even_distribution");
    await expect(world.rebalancer.rebalance("locality")).rejects.toMatchObject({ code: "conflict" });
    await world.pass(1_000);
    expect((await first).failed).toEqual([]);
    expect(world.counts()).toMatchObject({ n1: 1, n3: 1, n2: 2 });
    expect(world.table.get("bound" as AgentName)?.node).toBe("n2");
  });
});

describe("what is planned", () => {
  const placement = {
    strategy: "round_robin",
    preferNodes: [] as NodeId[],
    targetNode: null,
    services: [] as string[],
    region: null,
    zone: null,
  } as const;
  const planned = async (fields: SpecFields, prepare: (world: World) => void = () => undefined) => {
    const world = new World();
    prepare(world);
    for (let i = 0; i < 6; i++) await world.assign(`a-${i}`, "n1", fields);
    const { moves } = await world.rebalancer.plan("even_distribution");
    return moves.map(({ to }) => to).toSorted();
  };

  test("sends agents only where they asked to be, and leaves those where they would rather be", async () => {
    const gpu = (world: World): void => world.membership.describe(node("n2"), { services: ["gpu"] });
    expect(await planned({ placement: { ...placement, services: ["gpu"] } })).toEqual([]);
    expect(await planned({ placement: { ...placement, services: ["gpu"] } }, gpu)).toEqual([
      "n2",
      "n2",
      "n2",
    ]);
    const east = (world: World): void =>
      world.membership.describe(node("n3"), { region: "east", zone: "e1" });
    expect(await planned({ placement: { ...placement, region: "east" } }, east)).toEqual(["n3", "n3", "n3"]);
    expect(await planned({ placement: { ...placement, zone: "e1" } }, east)).toEqual(["n3", "n3", "n3"]);
    expect(await planned({ placement: { ...placement, preferNodes: [node("n1")] } })).toEqual([]);
  });

  test("leaves out who stands by, and moves so many at most", async () => {
    const standby = (world: World): void => world.membership.describe(node("n3"), { weight: 0 });
    expect(await planned({}, standby)).toEqual(["n2", "n2", "n2"]);
    const world = new World();
    for (const id of ["n1", "n2", "n3"]) world.membership.describe(node(id), { maxAgents: 1_000 });
    for (let i = 0; i < 330; i++) await world.assign(`a-${i}`, "n1");
    expect((await world.rebalancer.plan("even_distribution")).moves).toHaveLength(200);
  });

  test("is looked at again when its turn comes: an agent may have gone, a node may have", async () => {
    const world = new World();
    for (let i = 0; i < 18; i++) await world.assign(`a-${i}`, "n1");
    const gate = Promise.withResolvers<void>();
    const begun = new Set<string>();
    const move = world.moves.bind(world);
    world.moves = async (agent, to, cause) => {
      begun.add(agent);
      await gate.promise;
      await move(agent, to, cause);
    };
    const { moves } = await world.rebalancer.plan("even_distribution");
    const done = world.rebalancer.rebalance("even_distribution");
    await world.pass(100);
    expect(begun.size).toBe(4);
    world.membership.setStatus(node("n3"), "suspect");
    const late = moves.filter(({ agent }) => !begun.has(agent));
    const gone = late.filter(({ to }) => to === "n2");
    for (const { agent } of gone) await move(agent, node("n3"), "migrated");
    gate.resolve();
    await world.pass(100);
    const reasons = (await done).failed.map(({ reason }) => reason).toSorted();
    const isSuspect = late.filter(({ to }) => to === "n3").map(() => 'node "n3" is suspect');
    expect(reasons).toEqual([...gone.map(() => "it has another owner by now"), ...isSuspect]);
    expect([gone.length > 0, isSuspect.length > 0]).toEqual([true, true]);
  });

  test("is done by the leader alone", async () => {
    const world = new World();
    world.consensus.setLeads(false);
    const peers = world.network.join(node("n3"));
    const body = new TextEncoder().encode('{"strategy":"even_distribution"}');
    const asked = peers.request(node("n1"), "balancing.rebalance", body).catch((error: unknown) => error);
    await world.pass(1_000);
    expect(await asked).toMatchObject({ code: "not_leader" });
  });
});

describe("a node that joins", () => {
  async function full(): Promise<World> {
    const world = new World();
    for (let i = 0; i < 9; i++) await world.assign(`a-${i}`, "n1");
    await world.assign("light", "n1", { durability: "volatile" });
    await world.pass(1_000);
    return world;
  }

  test("gets its part of what was there before, once it has settled, and nothing that would lose its memory", async () => {
    const world = await full();
    world.membership.setStatus(node("n4"), "alive", "joined", world.clock.wall_ms() + 1);
    await world.pass(4_000);
    expect(world.counts()["n4"]).toBe(0);
    await world.pass(3_000);
    expect(world.counts()["n4"]).toBeGreaterThan(0);
    expect(world.table.get("light" as AgentName)?.node).toBe("n1");
    expect(world.told[0]).toMatch(/^Rebalancing \d agents \(n4 joined\)$/);
    expect(world.failures).toEqual([]);
  });

  test("gets nothing that has no journal to take along", async () => {
    const world = new World();
    for (let i = 0; i < 9; i++) await world.assign(`a-${i}`, "n1", { durability: "volatile" });
    await world.pass(1_000);
    world.membership.setStatus(node("n4"), "alive", "joined", world.clock.wall_ms() + 1);
    await world.pass(20_000);
    expect(world.counts()).toMatchObject({ n1: 9, n4: 0 });
  });

  test("gets nothing while it comes and goes", async () => {
    const world = await full();
    for (let times = 0; times < 3; times++) {
      world.membership.setStatus(node("n4"), "alive", "joined", world.clock.wall_ms() + 1);
      await world.pass(4_000);
      world.membership.setStatus(node("n4"), "failed");
      await world.pass(4_000);
    }
    expect(world.counts()["n4"]).toBe(0);
    expect(world.told).toEqual([]);
  });
});

describe("a node that is back", () => {
  /** Nine agents on n1, and two on n3, which has been there for long. */
  async function aged(onJoin = true): Promise<World> {
    const world = new World(onJoin);
    for (let i = 0; i < 9; i++) await world.assign(`a-${i}`, "n1");
    for (let i = 0; i < 2; i++) await world.assign(`b-${i}`, "n3");
    await world.pass(1_000);
    world.clock.advance(300_000);
    return world;
  }

  test("gets its part as one that joined does, once: lost again, it waits for an operator, and that is told", async () => {
    const world = await aged();
    await world.loses(node("n3"), node("n1"));
    await world.pass(2_000);
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(4_000);
    expect(world.counts()["n3"]).toBe(0);
    await world.pass(3_000);
    expect(world.counts()["n3"]).toBeGreaterThan(0);
    expect(world.told[0]).toMatch(/^Rebalancing \d agents \(n3 is back\)$/);
    const before = world.told.length;
    await world.loses(node("n3"), node("n2"));
    for (let times = 0; times < 2; times++) {
      world.membership.setStatus(node("n3"), "alive");
      await world.pass(20_000);
    }
    expect(world.counts()["n3"]).toBe(0);
    expect(world.told.slice(before)).toEqual([
      "Node n3 was lost 2 times, not long ago: it gets no agents by itself (caxton cluster rebalance moves some)",
    ]);
    // Long after it, it is as good as any: what was given away then is no reason any more.
    world.clock.advance(600_000);
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    expect(world.counts()["n3"]).toBe(0);
  });

  test("gets nothing more when it was only suspected since, whoever leads", async () => {
    const world = await aged();
    await world.loses(node("n3"), node("n1"));
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    const had = world.counts()["n3"];
    for (let i = 0; i < 9; i++) await world.assign(`later-${i}`, "n1");
    world.membership.setStatus(node("n3"), "suspect");
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    expect(world.counts()["n3"]).toBe(had);
  });

  test("a loss of which nothing was given away is none: not what a cut-off leader saw of others", async () => {
    const world = await aged();
    for (let times = 0; times < 3; times++) {
      for (const id of ["n2", "n3"]) world.membership.setStatus(node(id), "failed");
      for (const id of ["n2", "n3"]) world.membership.setStatus(node(id), "alive");
      await world.pass(10_000);
    }
    expect([world.counts(), world.told]).toMatchObject([{ n1: 9, n2: 0, n3: 2 }, []]);
    await world.loses(node("n3"), node("n1"));
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    expect(world.counts()["n3"]).toBeGreaterThan(0);
  });

  test("two that are back at once get their parts one after the other", async () => {
    const world = await aged();
    await world.assign("c", "n2");
    for (const id of ["n2", "n3"]) await world.loses(node(id), node("n1"));
    for (const id of ["n2", "n3"]) world.membership.setStatus(node(id), "alive");
    await world.pass(20_000);
    expect(world.counts()).toEqual({ n1: 4, n2: 4, n3: 4, n4: 0 });
    expect(world.failures).toEqual([]);
  });

  test("so does one that the leader did not hear, and nothing before that: its loss by silence is the same one", async () => {
    const world = await aged();
    world.unheard.set(node("n3"), true);
    await world.loses(node("n3"), node("n1"));
    await world.pass(10_000);
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    expect((await world.rebalancer.plan("even_distribution")).moves.map(({ to }) => to)).not.toContain("n3");
    expect(world.counts()["n3"]).toBe(0);
    world.unheard.set(node("n3"), false);
    await world.pass(10_000);
    expect(world.counts()["n3"]).toBeGreaterThan(0);
  });

  test("agents that waited for it are on it still: it gets its part where others were given away, and else nothing", async () => {
    const world = await aged();
    world.membership.setStatus(node("n3"), "failed");
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(10_000);
    expect(world.counts()["n3"]).toBe(2);
    await world.assign("given", "n2");
    await world.assign("waits", "n2", { onNodeLoss: "wait" });
    await world.loses(node("n2"), node("n1"), ["waits"]);
    world.membership.setStatus(node("n2"), "alive");
    await world.assign("new", "n2");
    await world.pass(10_000);
    expect(world.counts()["n2"]).toBeGreaterThan(2);
  });

  test("gets nothing where that is switched off", async () => {
    const world = await aged(false);
    await world.loses(node("n3"), node("n1"));
    world.membership.setStatus(node("n3"), "alive");
    await world.pass(20_000);
    expect(world.counts()["n3"]).toBe(0);
  });
});
