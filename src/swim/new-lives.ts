/**
 * Claims of others that a known member lives anew. Nobody can answer one from its older life, so that a single
 * member that lies would put all its words out of date: a new life is believed of itself, or of two others that
 * say the same, and asked for itself meanwhile.
 */
import type { NodeId } from "../base/ids.ts";
import type { Timing } from "./timing.ts";

interface Claim {
  readonly sources: Set<NodeId>;
  readonly since: number;
  askedAt: number;
}

/** So many others, each with its own name on its packets, do not lie together. */
const sourcesNeeded = 2;
/** Within so many exchanges of whole tables, by which each of them has said it. */
const sharedTables = 2;
const claimsLimit = 1_024;

export type Vouching = "believed" | "ask" | "wait";

export class NewLives {
  readonly #claims = new Map<string, Claim>();

  /** `source`, a member, says that `node` lives with this boot epoch. `ask`: at most once a period. */
  claimed(
    node: NodeId,
    boot: number,
    source: NodeId,
    now: number,
    { probe_ms, pushPull_ms }: Pick<Timing, "probe_ms" | "pushPull_ms">,
  ): Vouching {
    const key = `${node} ${boot}`;
    const known = this.#claims.get(key);
    const isFresh = known !== undefined && now - known.since < sharedTables * pushPull_ms;
    const claim: Claim = isFresh ? known : { sources: new Set(), since: now, askedAt: -Infinity };
    claim.sources.add(source);
    if (claim.sources.size >= sourcesNeeded) {
      this.#claims.delete(key);
      return "believed";
    }
    this.#claims.set(key, claim);
    for (const oldest of this.#claims.keys()) {
      if (this.#claims.size <= claimsLimit) break;
      this.#claims.delete(oldest);
    }
    if (now - claim.askedAt < probe_ms) return "wait";
    claim.askedAt = now;
    return "ask";
  }
}
