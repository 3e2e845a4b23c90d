/**
 * On which side of a partition this node is, judged by contact with the voters of the consensus and never by
 * counting members: authority is where a quorum of voters is. Pure: contacts and the time come in.
 */
import type { NodeId } from "../base/ids.ts";

/**
 * `healthy`: a quorum of voters and every member in reach. `majority`: a quorum, but not all members.
 * `minority`: no quorum. `isolated`: no quorum, and no other member at all. From best to worst; each includes what
 * is wrong in the one before.
 */
export const partitionStates = ["healthy", "majority", "minority", "isolated"] as const;
export type PartitionState = (typeof partitionStates)[number];

export interface Contacts {
  readonly self: NodeId;
  /** Members that have not left; this node among them. */
  readonly members: readonly NodeId[];
  /** A leader that has a quorum is heard: without one nothing is decided, whoever is in reach. */
  readonly leader: boolean;
  /** Each quorum that is needed at once: one set of voters, or two while the configuration changes. */
  readonly voterSets: readonly (readonly NodeId[])[];
  /** Those heard from lately; this node counts always. */
  readonly reachable: ReadonlySet<NodeId>;
  /** Raises how many voters of a set are needed, never lowers it; 0 leaves it at the majority. */
  readonly quorumSize: number;
}

/** How many voters of a set are needed: its majority, or more when the operator asks for more. */
export function votersNeeded(voters: number, quorumSize: number): number {
  return Math.min(voters, Math.max(Math.floor(voters / 2) + 1, quorumSize));
}

/**
 * What the contacts of this moment say. A leader's quorum is a majority even where this node reaches few of the
 * voters itself; only what the operator asks for beyond a majority is counted by this node's own contacts.
 */
export function judgeContacts(contacts: Contacts): PartitionState {
  const { self, members, leader, voterSets, reachable, quorumSize } = contacts;
  const inReach = (node: NodeId): boolean => node === self || reachable.has(node);
  const quorum =
    leader &&
    voterSets.length > 0 &&
    voterSets.every((voters) => {
      const needed = votersNeeded(voters.length, quorumSize);
      const majority = votersNeeded(voters.length, 0);
      return voters.length > 0 && (needed === majority || voters.filter(inReach).length >= needed);
    });
  if (quorum) return members.every(inReach) ? "healthy" : "majority";
  return members.some((node) => node !== self && inReach(node)) ? "minority" : "isolated";
}

export interface PartitionChange {
  readonly from: PartitionState;
  readonly to: PartitionState;
}

/**
 * Judges with patience: a worse state counts once it was at least that bad, without a break, for the detection
 * time, so that a lost packet is no partition. A better one counts at once: nobody need wait to work again.
 */
export class PartitionWatch {
  readonly #detection_ms: number;
  #rank: number;
  #since_ms: number;
  /** For each state, since when it was at least that bad; null when it was not. */
  #badSince_ms: readonly (number | null)[] = partitionStates.map(() => null);

  /** `first` is what a node says of itself before anything was judged. */
  constructor(detection_ms: number, first: PartitionState, now_ms: number) {
    this.#detection_ms = detection_ms;
    this.#rank = partitionStates.indexOf(first);
    this.#since_ms = now_ms;
  }

  get state(): PartitionState {
    return partitionStates[this.#rank] ?? "isolated";
  }

  /** When the present state began, by the caller's clock. */
  get since_ms(): number {
    return this.#since_ms;
  }

  /** The state before and after when it changed now, else null. */
  judge(contacts: Contacts, now_ms: number): PartitionChange | null {
    const seen = partitionStates.indexOf(judgeContacts(contacts));
    this.#badSince_ms = this.#badSince_ms.map((since, rank) => (rank <= seen ? (since ?? now_ms) : null));
    const lasted = (since: number | null): boolean => since !== null && now_ms - since >= this.#detection_ms;
    const next = Math.max(Math.min(seen, this.#rank), this.#badSince_ms.findLastIndex(lasted));
    if (next === this.#rank) return null;
    const from = this.state;
    this.#rank = next;
    this.#since_ms = now_ms;
    return { from, to: this.state };
  }

  /** When the state changes next if the contacts stay as they are; null when it will not. */
  due_ms(): number | null {
    const since = this.#badSince_ms[this.#rank + 1] ?? null;
    return since === null ? null : since + this.#detection_ms;
  }
}
