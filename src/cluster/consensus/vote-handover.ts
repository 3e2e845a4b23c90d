/**
 * Votes of nodes that leave for good. Who leaves by command gives its vote away first, so that the others need it no
 * more; who is to be removed while it lives may be so only if they can do without it. Only the leader knows: any
 * node asks it. A plain stop is no leave: a node that restarts keeps its vote.
 */
import { CaxtonError } from "../../base/errors.ts";
import { type NodeId, parseNodeId } from "../../base/ids.ts";
import { canSpareVote, safeToStop, type StopAnswer } from "../../ownership/safe-to-stop.ts";
import type { Clock } from "../../ports/clock.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import type { AutopilotDriver } from "./autopilot-driver.ts";
import type { Consensus } from "./consensus.ts";
import type { Peers } from "../peers/peers.ts";

/** The longest that a leave waits for its vote to be given away. */
const resign_ms = 5_000;
/** Another change of members may be under way: it is tried again so soon. */
const retry_ms = 250;
const ask_ms = 3_000;
/** What the way to the leader and back may take on top. */
const way_ms = 500;

export interface VoteHandoverOptions {
  readonly consensus: Pick<Consensus, "self" | "status" | "transferLeadership">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly autopilot: Pick<AutopilotDriver, "view" | "resign" | "addSuccessor">;
  readonly clock: Clock;
}

export class VoteHandover {
  readonly #options: VoteHandoverOptions;

  constructor(options: VoteHandoverOptions) {
    this.#options = options;
    const { peers, autopilot } = options;
    peers.handle("cluster.resign", async (body) => {
      const node = parseNodeId(decodeUtf8(body));
      await this.#leading(async () => {
        if (node !== options.consensus.self) return await autopilot.resign(node, ask_ms);
        await this.#abdicate(node);
        throw new CaxtonError("conflict", `Node "${node}" led, and handed over first`);
      });
      return new Uint8Array();
    });
    peers.handle("cluster.may-go", async (body) => {
      const answer = await this.#leading(() => safeToStop(parseNodeId(decodeUtf8(body)), autopilot.view));
      return encodeUtf8(JSON.stringify(answer));
    });
  }

  /** Whether the cluster keeps its quorum without this node. Throws `no_quorum` where nobody leads, `unreachable`, `timeout`. */
  async mayGo(node: NodeId): Promise<StopAnswer> {
    const { autopilot } = this.#options;
    const answer = await this.#atLeader("cluster.may-go", node, () => safeToStop(node, autopilot.view));
    if (!(answer instanceof Uint8Array)) return answer;
    const { safe, why } = JSON.parse(decodeUtf8(answer)) as Partial<StopAnswer>;
    return { safe: safe === true, why: String(why).slice(0, 500) };
  }

  /** The node votes no more when this resolves. Throws why it still does, at the latest after a few seconds. */
  async giveAway(node: NodeId): Promise<void> {
    const { consensus, clock, autopilot } = this.#options;
    const end_ms = clock.now_ms() + resign_ms;
    for (;;) {
      const { members, role } = consensus.status();
      if (!members.some((member) => member.node === node && member.role === "voter")) return;
      try {
        if (node === consensus.self && role === "leader") {
          await this.#abdicate(node);
        } else {
          await this.#atLeader("cluster.resign", node, () => autopilot.resign(node, ask_ms));
          return;
        }
      } catch (error) {
        if (
          !(error instanceof CaxtonError) ||
          error.code === "precondition_failed" ||
          clock.now_ms() + retry_ms >= end_ms
        )
          throw error;
      }
      await new Promise<void>((resolve) => void clock.after(retry_ms, resolve));
    }
  }

  /** Another leads then, and can take this one's vote. */
  async #abdicate(self: NodeId): Promise<void> {
    const { consensus, autopilot } = this.#options;
    await autopilot.addSuccessor(ask_ms);
    const { safe, final, why } = canSpareVote(self, autopilot.view);
    if (!safe) throw new CaxtonError(final ? "precondition_failed" : "conflict", why);
    await consensus.transferLeadership(null, { timeout_ms: ask_ms });
  }

  async #atLeader<T>(method: string, node: NodeId, here: () => T | Promise<T>): Promise<T | Uint8Array> {
    const { consensus, peers } = this.#options;
    const { leader } = consensus.status();
    if (leader === null)
      throw new CaxtonError("no_quorum", "No leader is known that could decide about votes");
    if (leader === consensus.self) return await here();
    return await peers.request(leader, method, encodeUtf8(node), { timeout_ms: ask_ms + way_ms });
  }

  async #leading<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#options.consensus.status().role !== "leader")
      throw new CaxtonError("no_quorum", `Node "${this.#options.consensus.self}" does not lead any more`);
    return await work();
  }
}
