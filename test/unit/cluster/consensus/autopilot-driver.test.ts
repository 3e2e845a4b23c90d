import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import {
  AutopilotDriver,
  type AutopilotDriverOptions,
} from "../../../../src/cluster/consensus/autopilot-driver.ts";
import type {
  ConsensusMember,
  ConsensusStatus,
  MemberChange,
} from "../../../../src/cluster/consensus/consensus.ts";
import type { Member, MemberStatus } from "../../../../src/cluster/membership.ts";
import { ControlLevels } from "../../../../src/cluster/consensus/control-levels.ts";
import { controlLevel } from "../../../../src/control/command-table.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { encodeControlQuery } from "../../../../src/wire/control-command.ts";
import { controlQueries } from "../../../../src/wire/control-kinds.ts";
import { decodeNodeRecords } from "../../../../src/wire/control-node.ts";
import { Writer } from "../../../../src/wire/cursor.ts";
import { idleLoad } from "../../../../src/wire/gossip-tags.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const self = "n1" as NodeId;

class World {
  readonly clock = new VirtualClock();
  readonly log = new SingleNodeConsensus();
  readonly changes: (readonly MemberChange[])[] = [];
  readonly members = new Map<string, Member>();
  /** In which boot each has greeted. */
  readonly greeted = new Map<string, number>();
  asked = 0;
  readonly levels = new Map<string, number | CaxtonError>();
  taking: ConsensusMember[] = [this.#taking("n1", "voter")];
  role: ConsensusStatus["role"] = "leader";
  ready = true;
  term = 3;
  refuse: CaxtonError | null = null;
  /** What a change waits for, once it has begun. */
  gate: Promise<void> = Promise.resolve();
  begun = 0;
  readonly handlers = new Set<() => void>();
  readonly driver: AutopilotDriver;

  constructor() {
    this.seen("n1");
    const client = new ControlClient(this.log, this.clock, () => 5_000);
    const consensus: Partial<AutopilotDriverOptions["consensus"]> = {
      self,
      status: () => this.#status(),
      onStatus: (handler) => {
        const told = (): void => handler(this.#status());
        this.handlers.add(told);
        return () => void this.handlers.delete(told);
      },
      changeMembership: async (changes) => await this.#change(changes),
    };
    this.driver = new AutopilotDriver({
      consensus: consensus as AutopilotDriverOptions["consensus"],
      membership: { members: () => [...this.members.values()] },
      client,
      clock: this.clock,
      voters_max: null,
      levels: new ControlLevels({
        self,
        peers: {
          handle: () => undefined,
          request: (node) => this.#answer(node),
        },
        learned: () => this.driver.recordsChanged(),
      }),
    });
  }

  /** What that node says when it is asked which commands its program knows. */
  async #answer(node: string): Promise<Uint8Array> {
    await Promise.resolve();
    this.asked++;
    const level = this.levels.get(node) ?? controlLevel;
    if (level instanceof CaxtonError) throw level;
    return new Writer().u16(level).finish();
  }

  seen(id: string, status: MemberStatus = "alive", bootEpoch = 7, identity = 1): void {
    this.members.set(id, {
      id: id as NodeId,
      address: { host: "127.0.0.1", port: 1 },
      status,
      bootEpoch,
      incarnation: 0,
      tags: {
        version: "0",
        region: "eu",
        zone: "a",
        api: "",
        maxAgents: 1,
        weight: 1,
        services: [],
        raft: { host: "", port: 1, identity, role: "voter" },
      },
      load: idleLoad,
      lastSeen_ms: 0,
    });
  }

  records() {
    const bytes = this.log.state.query(encodeControlQuery(controlQueries.nodes, new Uint8Array()));
    return decodeNodeRecords(bytes);
  }

  async pass(duration_ms: number): Promise<void> {
    for (let passed = 0; passed < duration_ms; passed += 100) {
      this.clock.advance(100);
      for (let i = 0; i < 12; i++) await Promise.resolve();
    }
  }

  greet(node: string, boot: number): void {
    this.greeted.set(node, boot);
    this.taking = this.taking.map((member) => (member.node === node ? { ...member, boot } : member));
  }

  /** In consensus, with nothing known of it by gossip but that it is there. */
  untold(id: string, role: ConsensusMember["role"]): void {
    this.seen(id);
    const { tags, ...member } = this.members.get(id) as Member;
    const { raft: _, ...others } = tags;
    this.members.set(id, { ...member, tags: others });
    this.taking.push(this.#taking(id, role));
  }

  #taking(node: string, role: ConsensusMember["role"], identity = 1): ConsensusMember {
    const boot = this.greeted.get(node) ?? null;
    return {
      node: node as NodeId,
      role,
      priority: 1,
      identity,
      boot,
      contact: true,
      match: 1,
      caughtUp: true,
    };
  }

  #status(): ConsensusStatus {
    const { role, ready, term, taking } = this;
    return { self, role, ready, term, members: taking, joint: false } as unknown as ConsensusStatus;
  }

  async #change(changes: readonly MemberChange[]): Promise<{ index: number }> {
    this.begun++;
    await this.gate;
    if (this.refuse !== null) throw this.refuse;
    this.changes.push(changes);
    for (const { node, role, identity } of changes) {
      const before = this.taking.find((member) => member.node === node);
      this.taking = this.taking.filter((member) => member !== before);
      if (role !== null) this.taking.push(this.#taking(node, role, identity ?? before?.identity));
    }
    return { index: 1 };
  }
}

describe("the autopilot's driver", () => {
  it("adds and promotes while this node leads, and does nothing while it does not", async () => {
    const world = new World();
    world.role = "follower";
    world.seen("n2");
    world.seen("n3");
    await world.pass(10_000);
    expect(world.changes).toEqual([]);
    world.role = "leader";
    world.ready = false;
    await world.pass(10_000);
    expect(world.changes).toEqual([]);
    world.ready = true;
    await world.pass(10_000);
    expect(world.changes.map((changes) => changes.map(({ node, role }) => `${node} ${role}`))).toEqual([
      ["n2 learner", "n3 learner"],
      ["n2 voter", "n3 voter"],
    ]);
    world.driver.stop();
    world.seen("n4");
    await world.pass(10_000);
    expect(world.changes).toHaveLength(2);
  });

  it("does one thing at a time, whatever it is told meanwhile, and nothing more once it is stopped", async () => {
    const world = new World();
    const gate = Promise.withResolvers<void>();
    world.gate = gate.promise;
    world.seen("n2");
    world.seen("n3");
    await world.pass(5_000);
    expect(world.begun).toBe(1);
    for (const handler of world.handlers) handler();
    world.driver.recordsChanged();
    await world.pass(5_000);
    expect(world.begun).toBe(1);
    const handlers = [...world.handlers];
    world.driver.stop();
    expect(world.handlers.size).toBe(0);
    gate.resolve();
    await world.pass(5_000);
    for (const handler of handlers) handler();
    await world.pass(5_000);
    expect([world.begun, world.changes.flat().map(({ role }) => role)]).toEqual([1, ["learner", "learner"]]);
  });

  it("leaves a witness and a voter what they are while gossip has not told yet what they want to be", async () => {
    const world = new World();
    world.untold("n2", "voter");
    world.untold("n3", "witness");
    await world.pass(20_000);
    expect(world.changes).toEqual([]);
  });

  it("takes the vote of a node that leaves, and gives it back only to its next life", async () => {
    const world = new World();
    world.seen("n2");
    world.seen("n3");
    await world.pass(10_000);
    await world.driver.resign("n3" as NodeId, 1_000);
    expect(world.changes.at(-1)).toEqual([{ node: "n3", role: "learner" }]);
    const before = world.changes.length;
    await world.pass(20_000);
    expect(
      world.changes
        .slice(before)
        .flat()
        .filter(({ node }) => node === "n3"),
    ).toEqual([]);
    world.seen("n3", "alive", 8);
    await world.pass(10_000);
    expect(world.changes.slice(before).flat()).toContainEqual(
      expect.objectContaining({ node: "n3", role: "voter" }),
    );
  });

  it("gives it back to one that begins another log in the same life: it was rebuilt, and stays", async () => {
    const world = new World();
    world.seen("n2");
    world.seen("n3");
    await world.pass(10_000);
    await world.driver.resign("n3" as NodeId, 1_000);
    const before = world.changes.length;
    world.seen("n3", "alive", 7, 8);
    await world.pass(20_000);
    const changes = world.changes.slice(before).flat();
    expect(changes.filter(({ node }) => node === "n3")).toEqual([
      { node: "n3", role: "learner", identity: 8 },
      { node: "n3", role: "voter" },
    ]);
  });

  it("does not take a vote that the others cannot do without", async () => {
    const world = new World();
    await expect(world.driver.resign(self, 1_000)).rejects.toThrow("n1 is the only voter");
    world.seen("n2");
    world.seen("n3");
    await world.pass(10_000);
    world.seen("n2", "failed");
    await expect(world.driver.resign("n3" as NodeId, 1_000)).rejects.toThrow("1 of the 2 voters");
    expect(world.changes.flat().filter(({ role }) => role === "learner")).toHaveLength(2);
  });

  it("makes a learner that has everything the only voter's successor", async () => {
    const world = new World();
    expect(await world.driver.addSuccessor(1_000)).toBe(false);
    world.seen("n2");
    await world.pass(3_500);
    expect(world.changes.flat()).toHaveLength(1);
    expect(await world.driver.addSuccessor(1_000)).toBe(true);
    expect(world.changes.at(-1)).toEqual([{ node: "n2", role: "voter" }]);
  });

  it("tries again later when a change did not come about", async () => {
    const world = new World();
    world.refuse = new CaxtonError("conflict", "another change of members is under way");
    world.seen("n2");
    await world.pass(3_000);
    expect(world.changes).toEqual([]);
    world.refuse = null;
    await world.pass(3_000);
    expect(world.changes).toHaveLength(1);
  });

  it("keeps the nodes' records, and never lowers a boot epoch", async () => {
    const world = new World();
    world.seen("n2", "alive", 9);
    await world.pass(1_000);
    expect(world.records()).toMatchObject([
      { id: "n1", bootEpoch: 7, role: "voter", region: "eu" },
      { id: "n2", bootEpoch: 9, removed: false },
    ]);
    const { proposals } = world.log;
    await world.pass(20_000);
    expect(world.log.proposals).toBe(proposals);
    world.seen("n2", "alive", 8);
    await world.pass(6_000);
    expect(world.records()[1]).toMatchObject({ bootEpoch: 9 });
    world.members.delete("n2");
    await world.pass(60_000);
    expect(world.records()[1]).toMatchObject({ id: "n2", removed: true, bootEpoch: 9 });
    expect(world.taking.map(({ node }) => node)).toEqual(["n1"]);
  });

  it("writes a new life of a member down once that life has greeted, lest an old disk passes for it", async () => {
    const world = new World();
    world.seen("n2", "alive", 9);
    await world.pass(6_000);
    expect(world.taking.map(({ node }) => node)).toEqual(["n1", "n2"]);
    world.seen("n2", "alive", 10);
    await world.pass(20_000);
    expect(world.records()[1]).toMatchObject({ id: "n2", bootEpoch: 9 });
    world.greet("n2", 10);
    await world.pass(1_000);
    expect(world.records()[1]).toMatchObject({ id: "n2", bootEpoch: 10 });
  });

  it("writes down which commands a node's own program knows, not the leader's", async () => {
    const world = new World();
    const old = new CaxtonError("not_found", 'This node does not answer "control.level"');
    world.levels.set("n2", old).set("n3", controlLevel + 1);
    world.levels.set("n4", new CaxtonError("unreachable", "no answer"));
    for (const node of ["n2", "n3", "n4"]) world.seen(node);
    await world.pass(6_000);
    const levels = () => world.records().map(({ level }) => level);
    expect(levels()).toEqual([controlLevel, 3, controlLevel + 1, 3]);
    // It is asked again until it answers; another life has perhaps another program.
    world.levels.set("n4", controlLevel).set("n3", 1);
    await world.pass(6_000);
    expect(levels()).toEqual([controlLevel, 3, controlLevel + 1, controlLevel]);
    const { asked } = world;
    await world.pass(60_000);
    expect(world.asked - asked).toBeLessThan(15);
    world.levels.delete("n2");
    world.seen("n2", "alive", 8);
    world.greet("n2", 8);
    await world.pass(6_000);
    expect(levels()).toEqual([controlLevel, controlLevel, controlLevel + 1, controlLevel]);
  });

  it("takes no node that has not said what it is in consensus", async () => {
    const world = new World();
    const member = world.members.get("n1") as Member;
    const { raft: _, ...tags } = member.tags;
    world.members.set("n9", { ...member, id: "n9" as NodeId, tags });
    await world.pass(10_000);
    expect(world.changes).toEqual([]);
    expect(world.records()).toHaveLength(1);
  });
});
