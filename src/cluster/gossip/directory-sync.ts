/**
 * Keeps the agent directory the same everywhere. A few changes ride in packets; every packet says how
 * far its sender's own list goes and what it knows of the receiver's; whoever is behind pulls the rest in
 * chunks over the stream. So 10,000 agents cost a head of 20 bytes a packet, and one transfer a change.
 */
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Directory } from "../../ownership/directory.ts";
import type { AgentClaim, DirectoryHead, DirectoryRecord } from "../../wire/gossip-directory.ts";
import { encodeRecord, type GossipRecord } from "../../wire/gossip-records.ts";
import { Convergence } from "./convergence.ts";
import type { RecentSamples } from "./statistics.ts";

export interface DirectorySyncOptions {
  readonly self: NodeId;
  readonly boot: number;
  readonly directory: Directory;
  /** The boot epoch of a known member, undefined of a stranger. */
  readonly bootOf: (node: NodeId) => number | undefined;
  readonly aliveOthers: () => Iterable<NodeId>;
  /** A frame over the stream. False when it was not queued. */
  readonly send: (to: NodeId, records: readonly Uint8Array[]) => boolean;
  /** An encoded record to spread in packets. */
  readonly spread: (key: string, bytes: Uint8Array) => void;
  readonly refuse: (reason: string) => void;
  readonly convergence: RecentSamples;
}

interface Behind {
  teller: NodeId;
  head: DirectoryHead;
  pullAt: number;
  tries: number;
}

/** More changes at once than this go by stream. */
const spreadLimit = 32;
/** Packets may still bring what is missing. */
const settle_ms = 100;
const retry_ms = 2_000;
const triesLimit = 3;
/** One pull is answered with at most this many chunks; the rest is pulled again. */
const chunksLimit = 16;
const earlyRecordsLimit = 256;
/** A restarted node's old claims stand until it speaks of its agents, at most this long. */
const silence_ms = 5_000;
/** No packet is overtaken by more. */
const overtaking_ms = 5_000;
/**
 * So long after the last change that came as news everybody tells a few how far its owner's list goes. News misses
 * one of a hundred members once in a hundred times, and who misses both is one of millions. Told by the owner alone, so
 * few would hear it that the one who needs it is seldom among them, and learns of it when the two happen to speak.
 */
const confirm_ms = 1_500;
/** Keeps a frame of heads below 64 KiB. */
const headsPerFrame = 500;

/** Two heads: type, length, node id with its length, 20 bytes of head, each. */
export function headsReserve_bytes(self: NodeId): number {
  const fixed_bytes = 2 + 1 + 20;
  return 2 * fixed_bytes + self.length + 64;
}

export class DirectorySync {
  readonly #behind = new Map<NodeId, Behind>();
  /** Since when this copy has been ahead of its owner's own word. */
  readonly #aheadSince = new Map<NodeId, number>();
  readonly #convergence: Convergence;
  /** Heads as they were encoded last. */
  readonly #encoded = new Map<NodeId, { readonly head: DirectoryHead; readonly record: Uint8Array }>();
  #beginAt: number;
  /** When the head of an owner goes round: this node's own, and those whose changes came as news. */
  readonly #confirmAt = new Map<NodeId, number>();

  constructor(
    private readonly options: DirectorySyncOptions,
    now: number,
  ) {
    this.#beginAt = now + silence_ms;
    this.#convergence = new Convergence(options.convergence);
  }

  announce(
    changed: readonly (AgentClaim & { readonly agent: AgentName })[],
    removed: readonly AgentName[],
    now: number,
  ): void {
    const { self, boot, directory, aliveOthers } = this.options;
    this.#beginAt = Infinity;
    const changes = directory.announce(self, boot, changed, removed);
    if (changes.length === 0) return;
    if (changes.length <= spreadLimit) for (const change of changes) this.#spreadChange(self, boot, change);
    else this.#spreadHead(self);
    this.#confirmAt.set(self, now + confirm_ms);
    this.#convergence.told(directory.head(self)?.complete ?? 0, aliveOthers(), now);
  }

  /** What every packet to `node` carries: this node's own head, and what it knows of the receiver's. */
  heads(node: NodeId): Uint8Array[] {
    const { self, directory } = this.options;
    const records: Uint8Array[] = [];
    for (const owner of [self, node]) {
      const head = directory.head(owner);
      if (head) records.push(this.#headRecord(owner, head));
    }
    return records;
  }

  #headRecord(owner: NodeId, head: DirectoryHead): Uint8Array {
    const known = this.#encoded.get(owner);
    if (known?.head === head) return known.record;
    const record = encodeRecord({ kind: "head", owner, head });
    this.#encoded.set(owner, { head, record });
    return record;
  }

  hear(from: NodeId, record: DirectoryRecord, now: number): void {
    switch (record.kind) {
      case "head":
        if (record.owner !== this.options.self) this.#compare(from, record.owner, record.head, now);
        else if (record.head.boot === this.options.boot)
          this.#convergence.acknowledged(from, record.head.complete, now);
        return;
      case "change":
        if (!this.#concerns(record.owner, record.boot)) return;
        if (this.options.directory.take(record.owner, record.boot, record.change)) {
          this.#spreadChange(record.owner, record.boot, record.change);
          this.#confirmAt.set(record.owner, now + confirm_ms);
        }
        return;
      case "pull":
        this.#serve(from, record.owner, record.boot, record.since);
        return;
      case "chunk":
        this.#takeChunk(record.chunk, now);
    }
  }

  /** Every head in frames: for a push-pull. */
  allHeads(): Uint8Array[][] {
    const records = this.options.directory.heads().map(({ owner, head }) => this.#headRecord(owner, head));
    const frames: Uint8Array[][] = [];
    for (let at = 0; at < records.length; at += headsPerFrame)
      frames.push(records.slice(at, at + headsPerFrame));
    return frames;
  }

  /** What the membership says of a node now. */
  member({ id, status }: { readonly id: NodeId; readonly status: string }): void {
    if (status !== "alive") this.#convergence.lost(id);
  }

  forget(node: NodeId): void {
    this.#behind.delete(node);
    this.#encoded.delete(node);
    this.#confirmAt.delete(node);
    this.#convergence.lost(node);
    this.#aheadSince.delete(node);
  }

  /** What is said of others' lists waits for the next tick after its time. */
  due(): number {
    let due = Math.min(this.#beginAt, this.#confirmAt.get(this.options.self) ?? Infinity);
    for (const behind of this.#behind.values()) due = Math.min(due, behind.pullAt);
    return due;
  }

  run(now: number): void {
    const { self, boot, directory } = this.options;
    if (this.#beginAt <= now) {
      this.#beginAt = Infinity;
      directory.begin(self, boot);
    }
    for (const [owner, at] of this.#confirmAt) {
      if (at > now) continue;
      this.#confirmAt.delete(owner);
      this.#spreadHead(owner);
    }
    for (const [owner, behind] of this.#behind) {
      if (behind.pullAt > now) continue;
      if (directory.compare(owner, behind.head) !== "behind" || behind.tries >= triesLimit)
        this.#behind.delete(owner);
      else this.#pull(owner, behind, now);
    }
  }

  #pull(owner: NodeId, behind: Behind, now: number): void {
    // Who told of it may only have passed it on; the owner itself has it for certain.
    if (behind.tries > 0) behind.teller = owner;
    behind.tries++;
    behind.pullAt = now + retry_ms;
    const known = this.options.directory.head(owner);
    const { boot } = behind.head;
    const since = known?.boot === boot ? known.complete : 0;
    this.options.send(behind.teller, [encodeRecord({ kind: "pull", owner, boot, since })]);
  }

  #serve(to: NodeId, owner: NodeId, boot: number, since: number): void {
    const { directory, send } = this.options;
    const chunks = directory.chunksSince(owner, boot, since, chunksLimit);
    for (const chunk of chunks) if (!send(to, [encodeRecord({ kind: "chunk", chunk })])) return;
    const life = directory.head(owner)?.boot;
    const early = directory.earlyChanges(owner).slice(0, earlyRecordsLimit);
    if (life === undefined || early.length === 0) return;
    send(
      to,
      early.map((change) => encodeRecord({ kind: "change", owner, boot: life, change })),
    );
  }

  #takeChunk(chunk: Extract<GossipRecord, { kind: "chunk" }>["chunk"], now: number): void {
    const { owner } = chunk;
    if (!this.#concerns(owner, chunk.boot)) return;
    if (!this.options.directory.takeChunk(chunk)) {
      this.options.refuse("directory_gap");
      return;
    }
    const behind = this.#behind.get(owner);
    if (!behind) return;
    if (this.options.directory.compare(owner, behind.head) === "behind") {
      // The chunks that follow this one are on their way; only their absence asks again.
      behind.tries = 0;
      behind.pullAt = now + settle_ms;
      return;
    }
    this.#behind.delete(owner);
    this.#spreadHead(owner);
  }

  #compare(from: NodeId, owner: NodeId, head: DirectoryHead, now: number): void {
    if (!this.#concerns(owner, head.boot)) return;
    const { directory } = this.options;
    const known = directory.head(owner);
    if (head.complete === 0 && (known?.boot ?? head.boot) < head.boot) directory.begin(owner, head.boot);
    const outcome = directory.compare(owner, head);
    const isFalse = from === owner && known?.boot === head.boot && this.#isFalse(owner, outcome, now);
    if (isFalse) {
      this.options.refuse("directory_contradicted");
      directory.forget(owner);
      directory.begin(owner, head.boot);
    } else if (outcome !== "behind") {
      return;
    }
    const behind = this.#behind.get(owner);
    if (behind && behind.head.boot === head.boot && behind.head.complete >= head.complete && from !== owner)
      return;
    if (behind) {
      behind.teller = from;
      behind.head = head;
    } else {
      this.#behind.set(owner, { teller: from, head, pullAt: now + settle_ms, tries: 0 });
    }
  }

  /**
   * Only the owner's own word shows that the copy here is false. Another hash does at once; being ahead
   * of the owner only when it lasts, since packets overtake each other.
   */
  #isFalse(owner: NodeId, outcome: "same" | "behind" | "ahead" | "contradicts", now: number): boolean {
    if (outcome === "contradicts") return true;
    const since = this.#aheadSince.get(owner);
    if (outcome !== "ahead") {
      this.#aheadSince.delete(owner);
      return false;
    }
    if (since === undefined) this.#aheadSince.set(owner, now);
    return since !== undefined && now - since > overtaking_ms;
  }

  /** Of a known member, of the life that it is known to be in; others are repaired by a later head. */
  #concerns(owner: NodeId, boot: number): boolean {
    if (owner === this.options.self) return false;
    return this.options.bootOf(owner) === boot;
  }

  #spreadChange(
    owner: NodeId,
    boot: number,
    change: Extract<GossipRecord, { kind: "change" }>["change"],
  ): void {
    this.options.spread(
      `change ${owner} ${change.agent}`,
      encodeRecord({ kind: "change", owner, boot, change }),
    );
  }

  #spreadHead(owner: NodeId): void {
    const head = this.options.directory.head(owner);
    if (head) this.options.spread(`head ${owner}`, encodeRecord({ kind: "head", owner, head }));
  }
}
