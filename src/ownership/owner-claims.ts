/**
 * What one owner says of its agents, as known here. The owner numbers its changes from 1 within a boot
 * epoch; a copy knows all up to `complete`, and some early ones beyond. Merging takes the newer boot
 * epoch, then the newest change of each agent: commutative, associative, idempotent.
 */
import type { AgentName, NodeId } from "../base/ids.ts";
import {
  type AgentClaim,
  chunkChanges,
  type DirectoryChange,
  type DirectoryChunk,
  type DirectoryHead,
} from "../wire/gossip-directory.ts";

interface Held {
  readonly sequence: number;
  readonly claim: AgentClaim;
}

/** Agents of one node; more are refused at deploy long before. */
export const claimsLimit = 100_000;
/** Removals remembered for deltas; whoever is further behind gets the whole list. */
export const removalsLimit = 4_096;
/** Changes taken ahead of a gap; later ones wait for the delta that closes it. */
export const earlyLimit = 1_024;

export class OwnerClaims {
  readonly #claims = new Map<AgentName, Held>();
  readonly #removed = new Map<AgentName, number>();
  readonly #early = new Set<number>();
  #complete = 0;
  /** Removals up to here may be forgotten: a delta from before it must be a full list. */
  #floor = 0;
  #hash = 0;
  /** As it was asked for last: one object as long as it stays the same. */
  #head: DirectoryHead | undefined;

  constructor(
    readonly owner: NodeId,
    readonly boot: number,
    /** Told of every agent whose claim is about to change. */
    private readonly touch: (agent: AgentName) => void,
  ) {}

  get head(): DirectoryHead {
    const [complete, hash] = [this.#complete, this.#hash];
    if (this.#head?.complete !== complete || this.#head.hash !== hash)
      this.#head = { boot: this.boot, complete, hash };
    return this.#head;
  }

  /** True when `head`, of the same boot epoch, cannot be of the same history. */
  contradicts(head: DirectoryHead): boolean {
    return this.#early.size === 0 && head.complete === this.#complete && head.hash !== this.#hash;
  }

  /** Changes are known that come after a gap. */
  get hasEarly(): boolean {
    return this.#early.size > 0;
  }

  get size(): number {
    return this.#claims.size;
  }

  get(agent: AgentName): AgentClaim | undefined {
    return this.#claims.get(agent)?.claim;
  }

  agents(): IterableIterator<AgentName> {
    return this.#claims.keys();
  }

  /** The owner's own next change. Null when it changes nothing. */
  next(agent: AgentName, claim: AgentClaim | null): DirectoryChange | null {
    const known = this.#claims.get(agent)?.claim;
    if (claim === null ? known === undefined : known !== undefined && sameClaim(known, claim)) return null;
    const change = { agent, sequence: this.#complete + 1, claim };
    this.take(change);
    return change;
  }

  /** True when the change was not known yet. */
  take(change: DirectoryChange): boolean {
    const { sequence } = change;
    if (sequence <= this.#complete || this.#early.has(sequence)) return false;
    if (sequence !== this.#complete + 1 && this.#early.size >= earlyLimit) return false;
    if (this.#claims.size >= claimsLimit && change.claim !== null && !this.#claims.has(change.agent))
      return false;
    this.#set(change);
    this.#early.add(sequence);
    this.#advance();
    return true;
  }

  /** False when the chunk begins beyond what is known here: ask again from `complete`. */
  takeChunk(chunk: DirectoryChunk): boolean {
    if (chunk.from > this.#complete) return false;
    if (chunk.to <= this.#complete) return true;
    if (chunk.full) this.#dropUnlisted(chunk);
    for (const change of chunk.changes) {
      if (change.sequence > this.#complete && !this.#early.has(change.sequence)) this.#set(change);
    }
    this.#complete = chunk.to;
    for (const sequence of this.#early) if (sequence <= chunk.to) this.#early.delete(sequence);
    if (chunk.full) this.#floor = Math.max(this.#floor, chunk.to);
    this.#advance();
    return true;
  }

  /** Everything after `since`, in chunks, oldest first; at most `limit` of them. Empty when nothing is newer. */
  chunksSince(since: number, limit: number): DirectoryChunk[] {
    if (since >= this.#complete) return [];
    const full = since < this.#floor;
    const start = full ? 0 : since;
    const changes: DirectoryChange[] = [];
    const isDue = (sequence: number): boolean => sequence > start && sequence <= this.#complete;
    for (const [agent, { sequence, claim }] of this.#claims)
      if (isDue(sequence)) changes.push({ agent, sequence, claim });
    if (!full) {
      for (const [agent, sequence] of this.#removed)
        if (isDue(sequence)) changes.push({ agent, sequence, claim: null });
    }
    changes.sort((a, b) => a.sequence - b.sequence);
    const chunks: DirectoryChunk[] = [];
    for (let at = 0, from = start; from < this.#complete && chunks.length < limit; at += chunkChanges) {
      const part = changes.slice(at, at + chunkChanges);
      const to = at + chunkChanges < changes.length ? (part.at(-1)?.sequence ?? from) : this.#complete;
      chunks.push({ owner: this.owner, boot: this.boot, from, to, full, changes: part });
      from = to;
    }
    return chunks;
  }

  /** Changes known ahead of a gap. */
  earlyChanges(): DirectoryChange[] {
    const changes: DirectoryChange[] = [];
    for (const [agent, { sequence, claim }] of this.#claims) {
      if (sequence > this.#complete) changes.push({ agent, sequence, claim });
    }
    for (const [agent, sequence] of this.#removed) {
      if (sequence > this.#complete) changes.push({ agent, sequence, claim: null });
    }
    return changes;
  }

  #set({ agent, sequence, claim }: DirectoryChange): void {
    const held = this.#claims.get(agent);
    const known = Math.max(held?.sequence ?? 0, this.#removed.get(agent) ?? 0);
    if (sequence <= known) return;
    this.touch(agent);
    this.#drop(agent, held);
    this.#removed.delete(agent);
    if (claim) {
      this.#claims.set(agent, { sequence, claim });
      this.#hash = (this.#hash ^ mix(agent, sequence)) >>> 0;
    } else {
      this.#removed.set(agent, sequence);
      this.#boundRemovals();
    }
  }

  #drop(agent: AgentName, held: Held | undefined): void {
    if (!held) return;
    this.#claims.delete(agent);
    this.#hash = (this.#hash ^ mix(agent, held.sequence)) >>> 0;
  }

  #dropUnlisted(chunk: DirectoryChunk): void {
    const listed = new Set(chunk.changes.map((change) => change.sequence));
    for (const [agent, held] of this.#claims) {
      const { sequence } = held;
      if (sequence <= chunk.from || sequence > chunk.to || listed.has(sequence)) continue;
      this.touch(agent);
      this.#drop(agent, held);
    }
  }

  #advance(): void {
    while (this.#early.delete(this.#complete + 1)) this.#complete++;
  }

  #boundRemovals(): void {
    if (this.#removed.size <= removalsLimit) return;
    for (const [agent, sequence] of this.#removed) {
      this.#removed.delete(agent);
      this.#floor = Math.max(this.#floor, sequence);
      return;
    }
  }
}

function sameClaim(a: AgentClaim, b: AgentClaim): boolean {
  return a.epoch === b.epoch && a.revision === b.revision && a.status === b.status && a.module === b.module;
}

/** Joined by exclusive or over all claims, so that the order of changes does not matter. */
function mix(agent: AgentName, sequence: number): number {
  let hash = 0x811c9dc5 ^ (sequence % 0x1_0000_0000);
  hash = Math.imul(hash ^ Math.floor(sequence / 0x1_0000_0000), 0x85ebca6b);
  for (let i = 0; i < agent.length; i++) hash = Math.imul(hash ^ agent.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) >>> 0;
}
