/**
 * Claims of others that a known member lives anew. Nobody can answer one from its older life, so that a single
 * member that lies would put all its words out of date: a new life is believed of itself, or of two others that
 * say the same, address and all, and asked for itself meanwhile. Of one alone only for as long as the member itself
 * is not heard at all, as behind a cut: its own word goes before that later.
 */
import type { NodeId } from "../base/ids.ts";
import type { AliveUpdate } from "../wire/gossip-records.ts";
import { sameAddress } from "../wire/gossip-values.ts";
import type { Timing } from "./timing.ts";

type Word = Pick<AliveUpdate, "node" | "incarnation" | "address">;

interface Claim {
  /** By who said them last. */
  readonly words: Map<NodeId, Word>;
  readonly since: number;
}

/** Counters of two honest words differ less: a larger one would put the name out of its owner's reach. */
const alikeWithin = 1_000;
/** Of others that contradict each other; the oldest goes first. */
const wordsLimit = 16;
/** Within so many exchanges of whole tables, by which each of them has said it. */
const sharedTables = 2;
const claimsLimit = 1_024;

/** In probe periods: whoever can be reached has been asked, and probed, meanwhile. */
const silentPeriods = 10;

export type Vouching = "believed" | "alone" | "ask" | "wait";

export class NewLives {
  readonly #claims = new Map<string, Claim>();
  readonly #askedAt = new Map<NodeId, number>();

  /**
   * `source`, a member, says that another lives with this boot epoch, which was `heard` here last itself. `ask`: of a
   * node at most once a period.
   */
  claimed(
    word: Word,
    source: NodeId,
    heard: number,
    now: number,
    { probe_ms, pushPull_ms }: Pick<Timing, "probe_ms" | "pushPull_ms">,
  ): Vouching {
    const key = `${word.node} ${word.incarnation.boot}`;
    const known = this.#claims.get(key);
    const isFresh = known !== undefined && now - known.since < sharedTables * pushPull_ms;
    const claim: Claim = isFresh ? known : { words: new Map(), since: now };
    const before = claim.words.get(source);
    claim.words.delete(source);
    const isSilent = heard < claim.since && now - claim.since >= silentPeriods * probe_ms;
    if (isSilent && before && isAlike(word, before)) {
      this.#claims.delete(key);
      return "alone";
    }
    if ([...claim.words.values()].some((other) => isAlike(word, other))) {
      this.#claims.delete(key);
      return "believed";
    }
    claim.words.set(source, word);
    dropOldest(claim.words, wordsLimit);
    this.#claims.set(key, claim);
    dropOldest(this.#claims, claimsLimit);
    // Whatever lives one tells of: it costs others a packet, to wherever it says.
    if (now - (this.#askedAt.get(word.node) ?? -Infinity) < probe_ms) return "wait";
    this.#askedAt.delete(word.node);
    this.#askedAt.set(word.node, now);
    dropOldest(this.#askedAt, claimsLimit);
    return "ask";
  }
}

/** Two others, each with its own name on its packets, do not lie together; but one may add a lie to the other's truth. */
function isAlike(one: Word, other: Word): boolean {
  const step = Math.abs(one.incarnation.counter - other.incarnation.counter);
  return step <= alikeWithin && sameAddress(one.address, other.address);
}

function dropOldest(map: Map<string, unknown>, most: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
