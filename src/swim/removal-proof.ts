/**
 * What makes an operator's removal believed, since it is final and would else be one packet of any member: this node's
 * own log says so, or two members tell it alike. Until then it is nothing, and somebody else is asked.
 */
import type { NodeId } from "../base/ids.ts";

/** One life of a node. */
export interface EndedLife {
  readonly node: NodeId;
  readonly boot: number;
}

interface Claim {
  readonly by: Set<NodeId>;
  asked: number;
}

/** Words that nobody else has said; the oldest goes first. */
const claimsLimit = 1_024;
const decidedLimit = 4_096;
/** More members than that are not asked for the same: its tellers will say it again. */
const askedMost = 3;
const askEvery_ms = 1_000;
/** Of one who tells of ever other lives, of which nobody else knows: each time twice as long. */
const askLongest_ms = 60_000;
const tellersLimit = 1_024;

export class RemovalProofs {
  /** The life of each that was decided to be over last. */
  readonly #decided = new Map<NodeId, number>();
  readonly #claims = new Map<string, Claim>();
  #askAt = -Infinity;
  /** Until when others are not asked for what a member tells. */
  readonly #tellers = new Map<NodeId, { readonly wait_ms: number; readonly until: number }>();

  /** What the log says, or this node's own operator. */
  decided(node: NodeId, boot: number): void {
    this.#decided.delete(node);
    this.#decided.set(node, boot);
    dropOldest(this.#decided, decidedLimit);
  }

  isDecided({ node, boot }: EndedLife): boolean {
    return this.#decided.get(node) === boot;
  }

  /** `source` is another member. `ask`: somebody else should be asked for it. */
  told({ node, boot }: EndedLife, source: NodeId, now: number): "proven" | "ask" | "wait" {
    if (this.isDecided({ node, boot })) return "proven";
    const key = `${node} ${boot}`;
    const claim = this.#claims.get(key) ?? { by: new Set<NodeId>(), asked: 0 };
    claim.by.add(source);
    this.#claims.delete(key);
    if (claim.by.size > 1) {
      for (const teller of claim.by) this.#tellers.delete(teller);
      return "proven";
    }
    this.#claims.set(key, claim);
    dropOldest(this.#claims, claimsLimit);
    if (claim.asked >= askedMost || now < this.#askAt || !this.#mayAskFor(source, now)) return "wait";
    claim.asked++;
    this.#askAt = now + askEvery_ms;
    return "ask";
  }

  #mayAskFor(teller: NodeId, now: number): boolean {
    const before = this.#tellers.get(teller);
    if (before && now < before.until) return false;
    const wait_ms = before ? Math.min(2 * before.wait_ms, askLongest_ms) : askEvery_ms;
    this.#tellers.delete(teller);
    this.#tellers.set(teller, { wait_ms, until: now + wait_ms });
    dropOldest(this.#tellers, tellersLimit);
    return true;
  }
}

function dropOldest(map: Map<NodeId | string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
