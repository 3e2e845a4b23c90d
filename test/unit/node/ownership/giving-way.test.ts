import { afterEach, expect, test } from "vitest";
import { jsonBody } from "../../../../src/agents/agent-requests.ts";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusStatus } from "../../../../src/cluster/consensus/consensus.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { GivingWay } from "../../../../src/node/ownership/giving-way.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const node = (id: string) => id as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** n1 leads n2, n3 and n4, which is a witness; n3 says of itself what the test says. */
class World {
  readonly clock = new VirtualClock();
  readonly consensus = new SingleNodeConsensus();
  readonly settings = new SettingStore(new ControlClient(this.consensus, this.clock, () => 1_000));
  readonly events = new EventLog(this.clock, 1);
  readonly failures: string[] = [];
  readonly asked: string[] = [];
  readonly transfers: (NodeId | null)[] = [];
  refuse: CaxtonError | null = null;
  sight: unknown = { minority: false, leader: "n1", unreached: [] };
  readonly way: GivingWay;

  constructor() {
    opened.push(() => this.consensus.state.close());
    const roles = { n1: "voter", n2: "voter", n3: "voter", n4: "witness" };
    const members = Object.entries(roles).map(([id, role]) => ({ node: node(id), role }));
    this.way = new GivingWay({
      membership: new MembershipTable(node("n1"), [node("n2"), node("n3"), node("n4")]),
      consensus: {
        status: () => ({ members }) as unknown as ConsensusStatus,
        transferLeadership: (to) => this.#transfer(to),
      },
      peers: { request: (to) => this.#answer(to) },
      store: this.settings,
      clock: this.clock,
      events: this.events,
      failed: (what, reason) => this.failures.push(`${what}: ${reason}`),
    });
  }

  async #transfer(to: NodeId | null): Promise<NodeId> {
    await Promise.resolve();
    if (this.refuse !== null) throw this.refuse;
    this.transfers.push(to);
    return to ?? node("n1");
  }

  async #answer(to: NodeId): Promise<Uint8Array> {
    await Promise.resolve();
    this.asked.push(to);
    if (this.sight instanceof CaxtonError) throw this.sight;
    return jsonBody(this.sight as object);
  }
}

test("leadership goes to the voter that reaches all, and it is told why", async () => {
  const world = new World();
  expect(await world.way.instead([node("n2")])).toBe(true);
  // Neither the unheard nor a witness is asked.
  expect([world.asked, world.transfers]).toEqual([["n3"], ["n3"]]);
  expect(world.events.since(0, 10)).toMatchObject([
    {
      type: "lease.gave_way",
      text: "Leadership goes to n3, which hears n2: n1 does not",
      data: { from: "n1", to: "n3", unheard: ["n2"] },
    },
  ]);
});

test("not again within ten minutes, whoever leads then", async () => {
  const world = new World();
  expect(await world.way.instead([node("n2")])).toBe(true);
  world.clock.advance(599_000);
  expect(await world.way.instead([node("n2")])).toBe(false);
  expect(world.transfers).toEqual(["n3"]);
  world.clock.advance(2_000);
  expect(await world.way.instead([node("n2")])).toBe(true);
});

test("not to one that does not reach all, does not answer, or answers nonsense", async () => {
  const world = new World();
  for (const sight of [
    { minority: false, leader: "n1", unreached: ["n2"] },
    { minority: true, leader: null, unreached: [] },
    { minority: false, leader: "n1", unreached: [], more: 1 },
    new CaxtonError("timeout", "no answer"),
  ]) {
    world.sight = sight;
    expect(await world.way.instead([node("n2")])).toBe(false);
  }
  expect([world.transfers, world.failures]).toEqual([[], []]);
  expect(await world.settings.list("local")).toEqual([]);
});

test("where consensus refuses, the nodes are lost as ever, and it is said why", async () => {
  const world = new World();
  world.refuse = new CaxtonError("conflict", "it is behind");
  expect(await world.way.instead([node("n2")])).toBe(false);
  expect(world.failures).toEqual(["give leadership to n3, which hears n2: it is behind"]);
  expect(world.events.since(0, 10)).toEqual([]);
});
