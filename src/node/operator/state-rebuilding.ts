/**
 * Gives a node its state anew from the others: log and control state are set aside, and it begins as another
 * participant, which has no vote until it has everything. Its old participant gives its vote away first, where the
 * others can do without it; so nobody ever votes with a hole.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { Rebuilt } from "../../api/operator-service.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { VoteHandover } from "../../cluster/consensus/vote-handover.ts";
import type { Clock } from "../../ports/clock.ts";

const method = "operator.rebuild";
/** Giving the vote away, the transfer of everything, and catching up. */
export const rebuild_ms = 120_000;
const look_ms = 100;
const votes_ms = 5_000;

const rebuiltSchema = v.strictObject({
  index: v.pipe(v.number(), v.integer(), v.minValue(0)),
  took_ms: v.pipe(v.number(), v.minValue(0)),
});

export interface StateRebuildingOptions {
  readonly self: NodeId;
  readonly consensus: Pick<Consensus, "status"> & { rebuild(reason: string): void };
  readonly votes: Pick<VoteHandover, "mayGo" | "giveAway">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly clock: Clock;
  /** What was read of the replica is read again. */
  readonly refresh: () => Promise<void>;
}

export class StateRebuilding {
  readonly #options: StateRebuildingOptions;
  #running = false;

  constructor(options: StateRebuildingOptions) {
    this.#options = options;
    options.peers.handle(method, async () => jsonBody(await this.#rebuildHere()));
  }

  async rebuild(node: NodeId): Promise<Rebuilt> {
    const { self, consensus, peers } = this.#options;
    const members = consensus.status().members;
    const member = members.find((each) => each.node === node);
    if (member === undefined)
      throw new CaxtonError("node_not_found", `Node "${node}" takes no part in consensus: it has no state`);
    if (member.role === "witness")
      throw new CaxtonError("conflict", `Node "${node}" is a witness: it keeps no state to rebuild`);
    if (!members.some((each) => each.node !== node && each.role !== "witness")) {
      throw new CaxtonError(
        "conflict",
        `Node "${node}" alone has the state: nobody could give it back. Restore a backup instead`,
      );
    }
    if (node === self) return { node, ...(await this.#rebuildHere()) };
    const answer = await peers.request(node, method, jsonBody({}), { timeout_ms: rebuild_ms });
    return { node, ...parseBody(rebuiltSchema, answer) };
  }

  async #rebuildHere(): Promise<v.InferOutput<typeof rebuiltSchema>> {
    const { self, consensus, clock } = this.#options;
    if (this.#running) throw new CaxtonError("conflict", `Node "${self}" is being rebuilt already`);
    const { identity, leader } = consensus.status();
    if (leader === null)
      throw new CaxtonError("no_quorum", "The cluster has no leader that could give the state anew");
    this.#running = true;
    try {
      const start_ms = clock.now_ms();
      await this.#giveVoteAway();
      const { commit } = consensus.status();
      consensus.rebuild(`An operator had node ${self} rebuilt from its peers`);
      const index = await this.#caughtUp(identity, commit, start_ms + rebuild_ms);
      await this.#options.refresh();
      return { index, took_ms: Math.round(clock.now_ms() - start_ms) };
    } finally {
      this.#running = false;
    }
  }

  async #giveVoteAway(): Promise<void> {
    const { self, consensus, votes, clock } = this.#options;
    if (!this.#isVoter()) return;
    const { safe, why } = await votes.mayGo(self);
    if (!safe) {
      throw new CaxtonError(
        "conflict",
        `Node "${self}" votes, and without it the cluster would lose its quorum: ${why}. Bring another voter back first`,
      );
    }
    await votes.giveAway(self);
    // Decided, and heard of here: until then its own copy of the configuration may say otherwise.
    const end_ms = clock.now_ms() + votes_ms;
    while (this.#isVoter()) {
      if (clock.now_ms() >= end_ms || consensus.status().trouble !== null) return;
      await this.#pause();
    }
  }

  #isVoter(): boolean {
    const { self, consensus } = this.#options;
    return consensus.status().members.some(({ node, role }) => node === self && role === "voter");
  }

  /** The entry up to which the new participant has applied everything. */
  async #caughtUp(before: number, commit: number, end_ms: number): Promise<number> {
    const { self, consensus, clock } = this.#options;
    for (;;) {
      const { identity, standing, applied, trouble } = consensus.status();
      if (identity !== before && standing !== null && applied >= commit && trouble === null) return applied;
      if (clock.now_ms() >= end_ms) {
        throw new CaxtonError(
          "timeout",
          `Node "${self}" has begun anew and is not caught up yet (entry ${applied} of ${commit}); it goes on by itself`,
        );
      }
      await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(look_ms, resolve));
  }
}
