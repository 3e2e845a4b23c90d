/**
 * How nodes leave the cluster: by command, after they gave their vote away, or removed by an operator. What would
 * cost the others their quorum is refused. What a node does when it ends is `shutdown`'s.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { VoteHandover } from "../../cluster/consensus/vote-handover.ts";
import { logger } from "../../telemetry/log.ts";
import type { Removals } from "./removals.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";

/** The longest that giving a vote away and the question whether the others can do without it take, with the way there. */
const leaveRequest_ms = 10_000;
/** Words in the request to leave. Its agents go to others first. */
const handingOver = "handing-over";
/** Whatever becomes of the quorum. */
const forced = "forced";

export interface DeparturesOptions {
  readonly self: NodeId;
  readonly membership: Pick<Membership, "member" | "members" | "remove">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly consensus: Pick<Consensus, "status">;
  readonly votes: Pick<VoteHandover, "mayGo" | "giveAway">;
  readonly removals: Pick<Removals, "decide">;
  /** Leaves and ends this node's process. */
  readonly shutdown: (drain_timeout_ms: number, handOver: boolean) => void;
}

export interface Leaving {
  readonly drain_timeout_ms: number;
  /** Its agents go to others first; else it is a stop, after which they are expected back with it. */
  readonly handOver: boolean;
  /** Even where the others lose their quorum. */
  readonly force: boolean;
}

export class Departures {
  readonly #options: DeparturesOptions;

  constructor(options: DeparturesOptions) {
    this.#options = options;
    options.peers.handle("cluster.leave", async (body) => {
      const [given, ...words] = decodeUtf8(body).split(" ");
      const drain_timeout_ms = Number(given);
      if (!(drain_timeout_ms >= 0 && drain_timeout_ms <= 3_600_000)) {
        throw new CaxtonError("invalid_argument", "Drain time-out is not between 0 and 1h");
      }
      const [handOver, force] = [words.includes(handingOver), words.includes(forced)];
      await this.#leave({ drain_timeout_ms, handOver, force });
      return new Uint8Array();
    });
  }

  /** Resolves when the node is on its way out. Throws `conflict` or `no_quorum` where the others would lose their quorum. */
  async leave(node: NodeId, leaving: Leaving): Promise<void> {
    const { self, membership, peers } = this.#options;
    if (node === self) {
      await this.#leave(leaving);
      return;
    }
    if (membership.member(node) === undefined) throw unknownNode(node);
    const { drain_timeout_ms, handOver, force } = leaving;
    const words = [`${drain_timeout_ms}`, handOver ? handingOver : "keeping", ...(force ? [forced] : [])];
    await peers.request(node, "cluster.leave", encodeUtf8(words.join(" ")), { timeout_ms: leaveRequest_ms });
  }

  /** Throws as the control client, and `conflict` where it lives and is not forced, or its vote is needed. */
  async remove(node: NodeId, force: boolean): Promise<void> {
    const { self, membership, consensus, removals } = this.#options;
    const member = membership.member(node);
    if (member === undefined) throw unknownNode(node);
    if (node === self) {
      throw new CaxtonError(
        "conflict",
        `Node "${node}" is the one asked; to take it out: caxton cluster leave`,
      );
    }
    if (!consensus.status().quorum) {
      throw new CaxtonError(
        "no_quorum",
        `Node "${node}" stays a member: there is no quorum that could decide it. Start one of the lost voters again, ` +
          "or ask a node of the majority",
      );
    }
    const lives = member.status === "alive" || member.status === "suspect";
    if (lives && !force) {
      throw new CaxtonError(
        "conflict",
        `Node "${node}" is ${member.status}; let it leave, or remove it with --force`,
      );
    }
    if (lives) await this.#spare(node);
    // First in the log, which every node believes; then told by gossip, which is no proof.
    await removals.decide(node, member.bootEpoch);
    // That life: another may have begun meanwhile.
    membership.remove(node, member.bootEpoch);
  }

  /** A node that lives is taken out by force only if the others keep their quorum; then its vote goes first. */
  async #spare(node: NodeId): Promise<void> {
    const { votes } = this.#options;
    if (!this.#votes(node)) return;
    const { safe, why } = await votes.mayGo(node);
    if (!safe) {
      throw new CaxtonError(
        "conflict",
        `Node "${node}" votes, and the cluster would lose its quorum: ${why}. Bring another voter back first; or, ` +
          "if this one is really lost, end its process: a node that is gone is removed without this question",
      );
    }
    await votes.giveAway(node);
  }

  async #leave({ drain_timeout_ms, handOver, force }: Leaving): Promise<void> {
    const { self, shutdown } = this.#options;
    if (this.#votes(self) && !this.#isAlone()) {
      const why = await this.#givenAway(self, handOver && !force);
      if (why !== null) logger("raft").warn(`Leaving with its vote: ${why}`);
    }
    shutdown(drain_timeout_ms, handOver);
  }

  /** Null when the vote was given away, else why not. Who must not lose the others their quorum throws then. */
  async #givenAway(self: NodeId, careful: boolean): Promise<string | null> {
    const { votes } = this.#options;
    const isWitness = this.#roleOf(self) === "witness";
    try {
      await votes.giveAway(self);
      if (!isWitness) return null;
    } catch (error) {
      if (!careful) return reasonOf(error);
    }
    if (!careful) return null;
    const { safe, why } = await votes.mayGo(self).catch((error: unknown) => {
      return { safe: false, why: reasonOf(error) };
    });
    if (safe) return isWitness ? null : why;
    throw new CaxtonError(
      "conflict",
      `Node "${self}" stays: it votes, and the cluster would lose its quorum: ${why}. Bring another voter back first ` +
        "(a node that only stopped counts for 30 s more); --force lets it leave all the same",
    );
  }

  #roleOf(node: NodeId): string | undefined {
    return this.#options.consensus.status().members.find((member) => member.node === node)?.role;
  }

  #votes(node: NodeId): boolean {
    const role = this.#roleOf(node);
    return role !== undefined && role !== "learner";
  }

  /** Nobody else takes part: the cluster ends with it. */
  #isAlone(): boolean {
    const { self, membership, consensus } = this.#options;
    const isOther = (node: NodeId): boolean => node !== self;
    return (
      !consensus.status().members.some(({ node }) => isOther(node)) &&
      !membership.members().some(({ id, status }) => isOther(id) && status !== "left")
    );
  }
}

export function unknownNode(node: NodeId): CaxtonError {
  return new CaxtonError("node_not_found", `No node "${node}" in this cluster. See: caxton cluster members`);
}
