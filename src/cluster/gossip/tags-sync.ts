/**
 * Services of nodes that have more of them than an alive update holds. A digest of 40 bytes rides with the news of
 * lowest priority; whoever has another list asks the owner itself, over the stream that proves who it is, for what
 * changed since. So a false digest costs its hearer one question, and nobody can put words into another's mouth.
 */
import type { NodeId } from "../../base/ids.ts";
import { Prng } from "../../base/prng.ts";
import type { SwimMember } from "../../swim/members.ts";
import type { Swim } from "../../swim/swim.ts";
import { encodeRecord, joinRecords } from "../../wire/gossip-records.ts";
import {
  briefTags,
  fitAlive,
  type NodeTags,
  servicesLimit,
  wholeTagsLimit_bytes,
} from "../../wire/gossip-tags.ts";
import type { GossipStreams } from "./reports.ts";
import type { ServiceChange, TagsDigest, TagsRecord } from "../../wire/gossip-tags-sync.ts";

export interface TagsSyncOptions {
  readonly self: NodeId;
  readonly boot: number;
  /** The boot epoch of a known member, undefined of a stranger. */
  readonly bootOf: (node: NodeId) => number | undefined;
  /** A frame over the stream. */
  readonly send: (to: NodeId, records: readonly Uint8Array[]) => void;
  /** An encoded record to spread in packets, after all other news. */
  readonly spread: (key: string, bytes: Uint8Array) => void;
  readonly refuse: (reason: string) => void;
  /** Spreads questions in time: members there are, and a number in [0, 1). */
  readonly members: () => number;
  readonly random: () => number;
  /** What a member says of its services is another thing now. */
  readonly changed: (node: NodeId) => void;
}

interface Held {
  readonly boot: number;
  readonly digest: TagsDigest;
  /** By name, the number of the change that brought it. */
  readonly services: ReadonlyMap<string, number>;
}

interface Wanted {
  digest: TagsDigest;
  readonly boot: number;
  at: number;
  tries: number;
}

/** Of a driver: `changed` is told the member whose services are others now. */
export function tagsSyncOf(
  { self, boot, seed, streams }: { self: NodeId; boot: number; seed: number; streams: GossipStreams },
  swim: Swim,
  driver: Pick<TagsSyncOptions, "spread" | "refuse"> & { readonly changed: (member: SwimMember) => void },
): TagsSync {
  const prng = new Prng(seed ^ 0x7a65);
  return new TagsSync({
    self,
    boot,
    bootOf: (node) => swim.member(node)?.incarnation.boot,
    send: (to, records) => streams.send(to, joinRecords(records)),
    spread: driver.spread,
    refuse: driver.refuse,
    members: () => swim.memberCount,
    random: () => prng.float(),
    changed: (node) => {
      const member = swim.member(node);
      if (member) driver.changed(member);
    },
  });
}

/** Spread over so many ms a member of the cluster, since all ask the same one. */
const jitterAMember_ms = 4;
const jitter_ms_max = 2_000;
const retry_ms = 2_000;
const triesLimit = 3;
/** An honest list changes seldom; one that is this far ahead of what is known is not believed. */
const sequenceStep_max = 100_000;
/** Names that went are remembered up to here; who missed more gets the whole list. */
const removedLimit = 256;
/** Answers to one node in a period of this length. */
const answerEvery_ms = 200;
const digestsPerFrame = 1_000;

export class TagsSync {
  readonly #held = new Map<NodeId, Held>();
  readonly #wanted = new Map<NodeId, Wanted>();
  readonly #answered = new Map<NodeId, number>();
  /** Of this node: names that went, oldest first, with the number of that change. */
  readonly #removed = new Map<string, number>();
  /** A question from before this change cannot be answered by what changed. */
  #forgotten = 0;
  #own: Held;

  constructor(private readonly options: TagsSyncOptions) {
    this.#own = { boot: options.boot, digest: { sequence: 0, hash: 0 }, services: new Map() };
  }

  /** This node's own from now on; what its alive update says of them. */
  announce(tags: NodeTags): NodeTags {
    const wanted = new Set(fitAlive(tags) ? [] : tags.services);
    const services = new Map(this.#own.services);
    let { sequence } = this.#own.digest;
    for (const name of services.keys()) {
      if (wanted.has(name)) continue;
      services.delete(name);
      this.#removed.set(name, ++sequence);
    }
    for (const name of wanted) {
      if (services.has(name)) continue;
      services.set(name, ++sequence);
      this.#removed.delete(name);
    }
    for (const [name, at] of this.#removed) {
      if (this.#removed.size <= removedLimit) break;
      this.#removed.delete(name);
      this.#forgotten = at;
    }
    if (sequence !== this.#own.digest.sequence) {
      this.#own = { boot: this.options.boot, digest: { sequence, hash: hashOf(services) }, services };
      this.#spread(this.options.self, this.#own);
    }
    return briefTags(tags);
  }

  /** The tags of a member as it said them itself, here and there. */
  whole(node: NodeId, boot: number, tags: NodeTags): NodeTags {
    const held = node === this.options.self ? this.#own : this.#held.get(node);
    if (held?.boot !== boot || held.services.size === 0) return tags;
    return { ...tags, services: [...held.services.keys()].toSorted() };
  }

  /** Every digest in frames: for a push-pull or a welcome. */
  digests(): Uint8Array[][] {
    const all = [[this.options.self, this.#own] as const, ...this.#held];
    const records = all
      .filter(([, { digest }]) => digest.sequence > 0)
      .map(([node, { boot, digest }]) => encodeRecord({ kind: "tags-digest", node, boot, digest }));
    const frames: Uint8Array[][] = [];
    for (let at = 0; at < records.length; at += digestsPerFrame)
      frames.push(records.slice(at, at + digestsPerFrame));
    return frames;
  }

  /** `byStream`: it came over the stream that proves that `from` said it. */
  hear(from: NodeId, record: TagsRecord, now: number, byStream: boolean): void {
    switch (record.kind) {
      case "tags-digest": {
        const { members, random } = this.options;
        this.#compare(from, record, now + Math.min(jitter_ms_max, members() * jitterAMember_ms) * random());
        return;
      }
      case "tags-pull":
        if (byStream && record.boot === this.options.boot) this.#answer(from, record.since, now);
        else this.options.refuse("unexpected");
        return;
      case "tags-delta":
        if (byStream) this.#take(from, record);
        else this.options.refuse("unexpected");
    }
  }

  run(now: number): void {
    for (const [node, wanted] of this.#wanted) {
      if (wanted.at > now) continue;
      const held = this.#held.get(node);
      const isGone = this.options.bootOf(node) !== wanted.boot || wanted.tries >= triesLimit;
      if (isGone || (held?.boot === wanted.boot && same(held.digest, wanted.digest))) {
        this.#wanted.delete(node);
        continue;
      }
      // What was given and did not fit the digest is not a base to build on.
      const since = held?.boot === wanted.boot && wanted.tries === 0 ? held.digest.sequence : 0;
      wanted.tries++;
      wanted.at = now + retry_ms;
      this.options.send(node, [encodeRecord({ kind: "tags-pull", boot: wanted.boot, since })]);
    }
  }

  due(): number {
    let due = Infinity;
    for (const { at } of this.#wanted.values()) due = Math.min(due, at);
    return due;
  }

  forget(node: NodeId): void {
    for (const map of [this.#held, this.#wanted, this.#answered]) map.delete(node);
  }

  #compare(
    from: NodeId,
    { node, boot, digest }: Extract<TagsRecord, { kind: "tags-digest" }>,
    at: number,
  ): void {
    if (node === this.options.self) {
      this.#defend(boot, digest);
      return;
    }
    if (this.options.bootOf(node) !== boot) return;
    const held = this.#held.get(node);
    const known = held?.boot === boot ? held.digest : { sequence: 0, hash: 0 };
    // Of two lists with one number the owner's own word decides; anybody else's is no news.
    const isNews = digest.sequence > known.sequence || (from === node && !same(digest, known));
    if (!isNews) return;
    if (digest.sequence - known.sequence > sequenceStep_max) {
      this.options.refuse("poisoned");
      return;
    }
    const wanted = this.#wanted.get(node);
    if (wanted?.boot !== boot) this.#wanted.set(node, { boot, digest, at, tries: 0 });
    else if (from === node || digest.sequence > wanted.digest.sequence) {
      if (digest.sequence > wanted.digest.sequence) wanted.tries = 0;
      wanted.digest = digest;
    }
  }

  /** Another list in this node's name: its own word goes round again. */
  #defend(boot: number, digest: TagsDigest): void {
    if (boot !== this.options.boot || same(digest, this.#own.digest)) return;
    if (digest.sequence < this.#own.digest.sequence) return;
    this.options.refuse("poisoned");
    this.#spread(this.options.self, this.#own);
  }

  #answer(to: NodeId, since: number, now: number): void {
    const last = this.#answered.get(to);
    if (last !== undefined && now - last < answerEvery_ms) {
      this.options.refuse("unexpected");
      return;
    }
    this.#answered.set(to, now);
    const { boot, digest, services } = this.#own;
    const all = changesOf(services, true);
    const gone = changesOf(this.#removed, false);
    const isKnown = since > 0 && since >= this.#forgotten && since <= digest.sequence;
    const some = [...all, ...gone].filter(({ sequence }) => sequence > since);
    const answer =
      isKnown && some.length <= servicesLimit ? { since, changes: some } : { since: 0, changes: all };
    answer.changes.sort((a, b) => a.sequence - b.sequence);
    this.options.send(to, [encodeRecord({ kind: "tags-delta", boot, digest, ...answer })]);
  }

  #take(from: NodeId, { boot, since, digest, changes }: Extract<TagsRecord, { kind: "tags-delta" }>): void {
    if (from === this.options.self || this.options.bootOf(from) !== boot) return;
    const held = this.#held.get(from);
    const base = held?.boot === boot ? held : undefined;
    if (!this.#wanted.has(from) || (since > 0 && since !== base?.digest.sequence)) {
      this.options.refuse("unexpected");
      return;
    }
    const services = new Map(since === 0 ? [] : base?.services);
    for (const { name, sequence, present } of changes) {
      if (present) services.set(name, sequence);
      else services.delete(name);
    }
    if (tooMany(services) || hashOf(services) !== digest.hash) {
      this.options.refuse("tags_contradicted");
      return;
    }
    this.#wanted.delete(from);
    const fresh = { boot, digest, services };
    this.#held.set(from, fresh);
    this.#spread(from, fresh);
    this.options.changed(from);
  }

  #spread(node: NodeId, { boot, digest }: Held): void {
    this.options.spread(`tags ${node}`, encodeRecord({ kind: "tags-digest", node, boot, digest }));
  }
}

function changesOf(names: ReadonlyMap<string, number>, present: boolean): ServiceChange[] {
  return [...names].map(([name, sequence]) => ({ name, sequence, present }));
}

function same(a: TagsDigest, b: TagsDigest): boolean {
  return a.sequence === b.sequence && a.hash === b.hash;
}

function tooMany(services: ReadonlyMap<string, number>): boolean {
  let length = 0;
  for (const name of services.keys()) length += name.length + 1;
  return services.size > servicesLimit || length > wholeTagsLimit_bytes;
}

/** Of the names in any order, and their numbers; none is 0. */
function hashOf(services: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [name, sequence] of services) {
    let hash = 0x811c9dc5 ^ sequence;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    sum = (sum ^ Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)) >>> 0;
  }
  return sum;
}
