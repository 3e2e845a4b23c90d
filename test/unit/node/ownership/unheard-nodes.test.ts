import { afterEach, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { UnheardNodes } from "../../../../src/node/ownership/unheard-nodes.ts";
import type { LeaseAges } from "../../../../src/ownership/lease-silence.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MembershipTable } from "../../../support/membership-table.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";

const node = (id: string) => id as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** A node of three with the settings of the cluster; as leader it has granted what the test says. */
class World {
  readonly clock = new VirtualClock();
  readonly consensus = new SingleNodeConsensus();
  readonly membership = new MembershipTable(node("n1"), [node("n2"), node("n3")]);
  readonly settings = new SettingStore(new ControlClient(this.consensus, this.clock, () => 1_000));
  readonly events = new EventLog(this.clock, 1);
  readonly failures: string[] = [];
  readonly told: string[] = [];
  /** Whom another node would hear, and leads from then on. */
  readonly asked: string[] = [];
  givesWay = false;
  /** When n2 was granted its last lease. */
  n2At_ms = 0;
  /** Renewals of n2 arrive. */
  hears = true;
  /** They ask for no lease. */
  readonly quiet = new Set<string>();
  unheard = this.#open();

  constructor() {
    opened.push(() => {
      this.unheard.close();
      this.consensus.state.close();
    });
  }

  /** Another node's, which reads what is there. */
  reopen(): void {
    this.unheard.close();
    this.unheard = this.#open();
  }

  #open(): UnheardNodes {
    const { membership, consensus, settings, clock, events } = this;
    const unheard = new UnheardNodes({
      membership,
      consensus,
      store: settings,
      authority: { ages: () => Promise.resolve(this.#ages()) },
      terms: { ttl_ms: 2_000, drift: 0.05 },
      giveWay: (unheard) => {
        this.asked.push(unheard.join(" "));
        if (this.givesWay) this.consensus.setLeads(false);
        return Promise.resolve(this.givesWay);
      },
      clock,
      events,
      failed: (what, reason) => this.failures.push(`${what}: ${reason}`),
    });
    unheard.subscribe((id, isUnheard) => this.told.push(`${id} ${isUnheard ? "lost" : "heard"}`));
    return unheard;
  }

  #ages(): LeaseAges {
    const now_ms = this.clock.now_ms();
    if (this.hears) this.n2At_ms = now_ms;
    const heard = [
      { node: node("n2"), boot: 1, ago_ms: now_ms - this.n2At_ms },
      { node: node("n3"), boot: 1, ago_ms: 0 },
    ];
    return { leading_ms: now_ms, heard: heard.filter(({ node: id }) => !this.quiet.has(id)) };
  }

  async pass(time_ms: number): Promise<void> {
    for (let left_ms = time_ms; left_ms > 0; left_ms -= 100) {
      this.clock.advance(Math.min(100, left_ms));
      for (let i = 0; i < 100; i++) await Promise.resolve();
    }
  }

  get texts(): string[] {
    return this.events.since(0, 100).map(({ text }) => text);
  }
}

test("a node that gets no lease is known to all, who it is that does not hear it, and when it is heard again", async () => {
  const world = new World();
  await world.pass(20_000);
  expect(world.unheard.list()).toEqual([]);
  world.hears = false;
  await world.pass(9_000);
  expect(world.unheard.has(node("n2"))).toBe(false);
  await world.pass(6_000);
  expect(world.unheard.list()).toMatchObject([{ node: "n2", by: "n1" }]);
  world.hears = true;
  await world.pass(4_000);
  expect(world.unheard.has(node("n2"))).toBe(true);
  await world.pass(4_000);
  expect(world.unheard.list()).toEqual([]);
  expect(world.told).toEqual(["n2 lost", "n2 heard"]);
  expect(world.texts).toEqual([
    "The leader (n1) does not hear n2, which has no lease: it takes no agents, and cannot act for those it has",
    "The leader hears n2 again",
  ]);
  expect(world.failures).toEqual([]);
});

test("a node that another can hear is not lost: that one leads", async () => {
  const world = new World();
  world.givesWay = true;
  await world.pass(20_000);
  world.hears = false;
  await world.pass(30_000);
  expect(world.asked).toEqual(["n2"]);
  expect([world.unheard.list(), world.told, world.failures]).toEqual([[], [], []]);
  // It leads again, later, and no other will: now it is lost.
  world.givesWay = false;
  world.consensus.setLeads(true);
  await world.pass(15_000);
  expect([world.asked, world.told]).toEqual([["n2", "n2"], ["n2 lost"]]);
});

test("who does not lead says nothing of its own, and reads what was said", async () => {
  const world = new World();
  world.consensus.setLeads(false);
  world.hears = false;
  await world.pass(30_000);
  expect(world.unheard.list()).toEqual([]);
  world.consensus.setLeads(true);
  await world.pass(20_000);
  world.consensus.setLeads(false);
  world.reopen();
  await world.pass(500);
  expect(world.unheard.has(node("n2"))).toBe(true);
});

test("a leader that comes later takes it back, and one that hears no quorum says nothing", async () => {
  const world = new World();
  world.hears = false;
  world.consensus.quorum = false;
  await world.pass(30_000);
  expect([world.unheard.list(), world.failures]).toEqual([[], []]);
  world.consensus.quorum = true;
  await world.pass(5_000);
  expect(world.unheard.has(node("n2"))).toBe(true);
  world.hears = true;
  world.reopen();
  await world.pass(8_000);
  expect(world.unheard.list()).toEqual([]);
});

test("a node that is gone, too, stays so; one that was removed is forgotten without a word", async () => {
  const world = new World();
  world.hears = false;
  await world.pass(15_000);
  world.membership.setStatus(node("n2"), "failed");
  await world.pass(5_000);
  expect(world.unheard.has(node("n2"))).toBe(true);
  world.membership.setStatus(node("n2"), "left");
  await world.pass(2_000);
  expect(world.unheard.list()).toEqual([]);
  expect(world.texts).toHaveLength(1);
});

test("a witness needs no lease, and a node in a new life has time to start", async () => {
  const world = new World();
  world.membership.describe(node("n3"), { raft: { host: "", port: 8_946, identity: 3, role: "witness" } });
  world.quiet.add("n3");
  await world.pass(60_000);
  expect(world.unheard.list()).toEqual([]);
  // It restarts, and its leases are of its life before.
  world.membership.setStatus(node("n2"), "alive", "restarted", 2);
  await world.pass(29_000);
  expect(world.unheard.list()).toEqual([]);
  await world.pass(5_000);
  expect(world.unheard.list()).toMatchObject([{ node: "n2" }]);
});

test("words that nobody can read count for nothing", async () => {
  const world = new World();
  world.consensus.setLeads(false);
  await world.settings.put("failover.unheard.n2", "yes");
  await world.settings.put("failover.unheard.n3", JSON.stringify({ by: "?", since_ms: -1 }));
  await world.pass(500);
  expect(world.unheard.list()).toEqual([]);
});
