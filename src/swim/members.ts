/**
 * The membership table: one row a node ever heard of and not yet forgotten, and the graves of the
 * forgotten, which stop old news from bringing them back.
 */
import type { NodeId } from "../base/ids.ts";
import type { MemberStatus } from "../wire/gossip-records.ts";
import { idleLoad, type NodeLoad, type NodeTags } from "../wire/gossip-tags.ts";
import { compareIncarnations, type GossipAddress, type Incarnation } from "../wire/gossip-values.ts";
import type { Suspicion } from "./suspicion.ts";

export interface SwimMember {
  readonly id: NodeId;
  address: GossipAddress;
  incarnation: Incarnation;
  /** Set by `Members.setStatus`, which counts. */
  readonly status: MemberStatus;
  tags: NodeTags;
  load: NodeLoad;
  /** Sequence of `load` within the boot epoch; 0 when none was heard. */
  loadSequence: number;
  /** When the status last changed. */
  since: number;
  /** When it came back in the life in which it was thought to have failed: this node, or it, was cut off. */
  back: number;
  /** When a packet of its own last arrived; for this node itself meaningless. */
  heard: number;
  /** All of this life is others' word, of before it was a member here: its own word, whatever it is, goes before that. */
  isHearsay: boolean;
  /** Exactly when the status is `suspect`. */
  suspicion: Suspicion | null;
}

export interface Grave {
  readonly incarnation: Incarnation;
  readonly until: number;
  /** By an operator, which push-pull passes on; the others time out everywhere alike. */
  readonly removed: boolean;
}

/** More nodes than one cluster may have; what would be one more is refused. */
export const membersLimit = 4_096;
const gravesLimit = 4_096;

export class Members {
  readonly #rows = new Map<NodeId, SwimMember>();
  /** In no order, for picking at random; with the place of each. */
  readonly #alive: SwimMember[] = [];
  readonly #places = new Map<NodeId, number>();
  readonly #suspects = new Map<NodeId, SwimMember>();
  #suspicionsVersion = 0;
  readonly #graves = new Map<NodeId, Grave>();

  get size(): number {
    return this.#rows.size;
  }

  /** Alive and suspect ones, this node included: the N of every formula. */
  get present(): number {
    return this.#alive.length + this.#suspects.size;
  }

  /** This node included, as long as it does not leave. */
  get alive(): readonly SwimMember[] {
    return this.#alive;
  }

  /** Changes with whatever may change when a suspicion ends. */
  get suspicionsVersion(): number {
    return this.#suspicionsVersion;
  }

  suspicionChanged(): void {
    this.#suspicionsVersion++;
  }

  get hasSuspects(): boolean {
    return this.#suspects.size > 0;
  }

  /** May be changed while it is walked. */
  suspects(): IterableIterator<SwimMember> {
    return this.#suspects.values();
  }

  get(id: NodeId): SwimMember | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<SwimMember> {
    return this.#rows.values();
  }

  insert(
    row: Pick<SwimMember, "id" | "address" | "incarnation" | "status" | "tags">,
    now: number,
    isHearsay = false,
  ): SwimMember {
    const member: SwimMember = {
      ...row,
      load: idleLoad,
      loadSequence: 0,
      since: now,
      back: -Infinity,
      heard: now,
      isHearsay,
      suspicion: null,
    };
    this.#rows.set(row.id, member);
    this.#graves.delete(row.id);
    this.#enlist(member);
    return member;
  }

  setStatus(member: SwimMember, status: MemberStatus, now: number): void {
    if (member.status === status) return;
    this.#strike(member);
    const row: { status: MemberStatus } = member;
    row.status = status;
    member.since = now;
    if (status !== "suspect") member.suspicion = null;
    this.#enlist(member);
  }

  #enlist(member: SwimMember): void {
    if (member.status === "suspect") this.#suspects.set(member.id, member);
    if (member.status !== "alive") return;
    this.#places.set(member.id, this.#alive.length);
    this.#alive.push(member);
  }

  #strike({ id }: SwimMember): void {
    if (this.#suspects.delete(id)) this.#suspicionsVersion++;
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    const last = this.#alive.pop();
    if (!last || last.id === id) return;
    this.#alive[place] = last;
    this.#places.set(last.id, place);
  }

  /** Forgets a member until it returns with a newer incarnation, or the grave is old. */
  bury(member: SwimMember, until: number, removed: boolean): void {
    this.drop(member);
    this.dig(member.id, { incarnation: member.incarnation, until, removed });
  }

  /** Forgets a member as if nobody had ever told of it. */
  drop(member: SwimMember): void {
    this.#rows.delete(member.id);
    this.#strike(member);
  }

  /** False when there is one as new, and as final. */
  dig(id: NodeId, grave: Grave): boolean {
    const known = this.#graves.get(id);
    const isNewer = !known || compareIncarnations(grave.incarnation, known.incarnation) > 0;
    const isFinal = grave.removed && known?.removed === false;
    if (!isNewer && !(isFinal && known.incarnation.boot === grave.incarnation.boot)) return false;
    this.#graves.delete(id);
    this.#graves.set(id, isNewer ? grave : { ...grave, incarnation: known.incarnation });
    if (this.#graves.size > gravesLimit) {
      const [oldest] = this.#graves.keys();
      if (oldest !== undefined) this.#graves.delete(oldest);
    }
    return true;
  }

  /** The newest of those that an operator dug, at most `most`. */
  removed(most: number): (Grave & { readonly id: NodeId })[] {
    const removed = [...this.#graves].filter(([, grave]) => grave.removed);
    return removed.slice(-most).map(([id, grave]) => ({ id, ...grave }));
  }

  /** What a buried node must exceed, or undefined. */
  grave(id: NodeId): Incarnation | undefined {
    return this.#graves.get(id)?.incarnation;
  }

  /** The life of it that an operator ended, or undefined. */
  removedLife(id: NodeId): number | undefined {
    const grave = this.#graves.get(id);
    return grave?.removed === true ? grave.incarnation.boot : undefined;
  }

  dropGravesBefore(now: number): void {
    for (const [id, grave] of this.#graves) if (grave.until <= now) this.#graves.delete(id);
  }
}

export function isPresent(member: SwimMember): boolean {
  return member.status === "alive" || member.status === "suspect";
}
