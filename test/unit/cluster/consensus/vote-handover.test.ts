import { expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusStatus } from "../../../../src/cluster/consensus/consensus.ts";
import { VoteHandover, type VoteHandoverOptions } from "../../../../src/cluster/consensus/vote-handover.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";
import { PilotWorld } from "../../../support/pilot-world.ts";

/** Three nodes with one configuration, of which one leads. */
class Votes {
  readonly clock = new VirtualClock();
  readonly network = new MemoryPeersNetwork(this.clock);
  readonly world = new PilotWorld();
  readonly resigned: string[] = [];
  readonly refusals: CaxtonError[] = [];
  readonly handovers: readonly VoteHandover[];
  leader: NodeId | null = "n1" as NodeId;

  constructor() {
    this.world.join("n2");
    this.world.join("n3");
    this.world.settle();
    this.handovers = ["n1", "n2", "n3"].map((name) => new VoteHandover(this.#optionsOf(name as NodeId)));
  }

  async done<T>(work: Promise<T>): Promise<T> {
    let over = false;
    void work.finally(() => (over = true)).catch(() => undefined);
    await this.clock.runUntilSettled(() => over, 60_000);
    return await work;
  }

  #optionsOf(self: NodeId): VoteHandoverOptions {
    const { world } = this;
    const status = (): ConsensusStatus =>
      ({
        leader: this.leader,
        role: this.leader === self ? "leader" : "follower",
        members: world.view().members,
      }) as unknown as ConsensusStatus;
    return {
      clock: this.clock,
      peers: this.network.join(self),
      consensus: {
        self,
        status,
        transferLeadership: async () => {
          this.leader = "n2" as NodeId;
          world.lead("n2");
          return await Promise.resolve("n2" as NodeId);
        },
      },
      autopilot: {
        get view() {
          return world.view();
        },
        resign: async (node) => {
          await Promise.resolve();
          const refusal = this.refusals.shift();
          if (refusal !== undefined) throw refusal;
          this.resigned.push(`${node} at ${self}`);
        },
        addSuccessor: async () => await Promise.resolve(false),
      },
    };
  }
}

test("a follower's vote is given away by the leader, tried again while another change is under way", async () => {
  const votes = new Votes();
  votes.refusals.push(new CaxtonError("conflict", "another change of members is under way"));
  await votes.done(votes.handovers[2]?.giveAway("n3" as NodeId) ?? Promise.reject(new Error("none")));
  expect(votes.resigned).toEqual(["n3 at n1"]);
});

test("a leader hands over first, and whoever leads then takes its vote", async () => {
  const votes = new Votes();
  await votes.done(votes.handovers[0]?.giveAway("n1" as NodeId) ?? Promise.reject(new Error("none")));
  expect(votes.resigned).toEqual(["n1 at n2"]);
});

test("the leader's vote is taken for it by whoever leads next, when another node asks for it", async () => {
  const votes = new Votes();
  await votes.done(votes.handovers[2]?.giveAway("n1" as NodeId) ?? Promise.reject(new Error("none")));
  expect(votes.resigned).toEqual(["n1 at n2"]);
});

test("nobody waits for what can never be, nor for ever", async () => {
  const votes = new Votes();
  votes.refusals.push(new CaxtonError("precondition_failed", "the cluster has a witness"));
  const give = async (): Promise<void> => await votes.handovers[1]?.giveAway("n2" as NodeId);
  await expect(votes.done(give())).rejects.toThrow("the cluster has a witness");
  const before_ms = votes.clock.now_ms();
  votes.leader = null;
  await expect(votes.done(give())).rejects.toThrow("No leader is known");
  expect(votes.clock.now_ms() - before_ms).toBeLessThan(10_000);
  expect(votes.resigned).toEqual([]);
});

test("any node learns from the leader whether another may go", async () => {
  const votes = new Votes();
  const ask = async () =>
    await votes.done(votes.handovers[2]?.mayGo("n2" as NodeId) ?? Promise.reject(new Error("none")));
  expect(await ask()).toMatchObject({ safe: true });
  votes.world.set("n3", "failed");
  expect(await ask()).toEqual({ safe: false, why: "1 of the other 2 voters is well, 2 are needed" });
});
