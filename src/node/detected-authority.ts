/**
 * When agents of a lost node may be given to others, by failure detection alone: it was found gone, and as long after
 * it was last heard as a lease may last by the slowest clock. Says nothing of who acts on the lost node meanwhile.
 */
import { CaxtonError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Consensus } from "../cluster/consensus.ts";
import type { Membership } from "../cluster/membership.ts";
import type { LeaseAuthority } from "../cluster/node-lease.ts";
import type { Clock } from "../ports/clock.ts";

/** Of a lease, with the drift of clocks that is allowed for. */
const wait_ms = 2_000 * 1.05;

export class DetectedAuthority implements LeaseAuthority {
  readonly #membership: Membership;
  readonly #consensus: Pick<Consensus, "status">;
  readonly #clock: Clock;
  readonly #ended = new Map<NodeId, number>();
  readonly #gone = new Map<NodeId, { readonly boot: number; readonly free_ms: number }>();

  constructor(membership: Membership, consensus: Pick<Consensus, "status">, clock: Clock) {
    this.#membership = membership;
    this.#consensus = consensus;
    this.#clock = clock;
  }

  async permission(node: NodeId, boot: number): Promise<{ readonly term: number } | null> {
    const { term } = this.#consensus.status();
    return (await this.mayReassign(node, boot)) ? { term } : null;
  }

  mayReassign(node: NodeId, boot: number): Promise<boolean> {
    const { role, ready } = this.#consensus.status();
    if (role !== "leader" || !ready)
      return Promise.reject(new CaxtonError("conflict", "Only the leader may give agents to others"));
    const member = this.#membership.member(node);
    if (member !== undefined && (member.status === "alive" || member.status === "suspect")) {
      this.#gone.delete(node);
      return Promise.resolve(false);
    }
    if (boot > 0 && boot <= (this.#ended.get(node) ?? -1)) return Promise.resolve(true);
    const now_ms = this.#clock.now_ms();
    let gone = this.#gone.get(node);
    if (gone === undefined || gone.boot !== boot) {
      const silent_ms = member === undefined ? 0 : Math.max(0, this.#clock.wall_ms() - member.lastSeen_ms);
      gone = { boot, free_ms: now_ms + Math.max(0, wait_ms - silent_ms) };
      this.#gone.set(node, gone);
    }
    return Promise.resolve(now_ms >= gone.free_ms);
  }

  ended(node: NodeId, boot: number): void {
    this.#ended.set(node, Math.max(boot, this.#ended.get(node) ?? -1));
  }

  bar(): void {
    // A node that drains hands over by itself.
  }

  admit(): void {
    // As `bar`.
  }
}
