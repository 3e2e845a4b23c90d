/**
 * Which nodes the leader does not hear, though others do: they get no lease, so no agents, and what they had goes to others,
 * unless another node can lead that hears them (giving-way.ts).
 * The leader decides it by the ages of the leases that it granted; every node reads it in the settings of the cluster,
 * where the next leader finds it. A node that is cut off so knows it by its own lease.
 */
import * as v from "valibot";
import { reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import { parsedJson } from "../../base/parsed-json.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { LeaseAuthority } from "../../cluster/leases/node-lease.ts";
import type { Member, Membership } from "../../cluster/membership.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import { type LeaseCandidate, LeaseSilence } from "../../ownership/lease-silence.ts";
import type { LeaseTerms } from "../../ownership/owner-lease.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import type { EventLog } from "../events/event-log.ts";

const prefix = "failover.unheard.";
const look_ms = 1_000;
/** Settings change with every assignment: they are read once for all changes of so long. */
const gather_ms = 100;
/** A node that was cut off itself reads so much later what was said: then it is told since when it is so. */
const late_ms = 5_000;
/** Nodes that are kept so; settings have other uses, too. */
const nodesLimit = 100;

const wordSchema = v.strictObject({
  /** The leader that said so. */
  by: v.pipe(
    v.string(),
    v.regex(namePattern),
    v.transform((text) => text as NodeId),
  ),
  /** Unix ms, by its clock. */
  since_ms: v.pipe(v.number(), v.minValue(0)),
});
export type UnheardWord = v.InferOutput<typeof wordSchema>;

export interface UnheardNodesOptions {
  readonly membership: Pick<Membership, "self" | "members" | "member" | "subscribe">;
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly store: Pick<SettingStore, "put" | "delete" | "list">;
  readonly authority: Pick<LeaseAuthority, "ages">;
  readonly terms: LeaseTerms;
  /** Whether another node leads now, which hears these: then they are not lost. */
  readonly giveWay: (unheard: readonly NodeId[]) => Promise<boolean>;
  readonly clock: Clock;
  readonly events: Pick<EventLog, "record">;
  readonly failed: (what: string, reason: string) => void;
}

type Listener = (node: NodeId, isUnheard: boolean) => void;

export class UnheardNodes {
  readonly #options: UnheardNodesOptions;
  readonly #listeners = new Set<Listener>();
  readonly #unsubscribe: readonly (() => void)[];
  /** Of the members that are there: the life, and since when, on the monotonic clock. */
  readonly #present = new Map<NodeId, { readonly boot: number; readonly since_ms: number }>();
  #words: ReadonlyMap<NodeId, UnheardWord> = new Map();
  #silence: { readonly term: number; readonly of: LeaseSilence } | null = null;
  #watched = -1;
  #reading: Timer | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: UnheardNodesOptions) {
    this.#options = options;
    const { membership, consensus } = options;
    for (const member of membership.members()) this.#saw(member);
    this.#unsubscribe = [
      membership.subscribe((event) => {
        if ("member" in event) this.#saw(event.member);
      }),
      consensus.onStatus(() => this.#follow()),
    ];
    this.#follow();
    this.#lookSoon();
  }

  has(node: NodeId): boolean {
    return this.#words.has(node);
  }

  /** What was said of it; undefined of a node that is heard. */
  word(node: NodeId): UnheardWord | undefined {
    return this.#words.get(node);
  }

  /** Each with the leader that does not hear it, by name. */
  list(): readonly (UnheardWord & { readonly node: NodeId })[] {
    return [...this.#words]
      .map(([node, word]) => ({ node, ...word }))
      .toSorted((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** Told of each node that is lost so, and of each that is heard again. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#reading?.cancel();
    for (const end of this.#unsubscribe) end();
  }

  #saw({ id, status, bootEpoch: boot }: Member): void {
    if (status === "failed" || status === "left") this.#present.delete(id);
    else if (this.#present.get(id)?.boot !== boot)
      this.#present.set(id, { boot, since_ms: this.#options.clock.now_ms() });
  }

  #follow(): void {
    const { consensus, clock, failed } = this.#options;
    const { watched } = consensus.status();
    if (watched === this.#watched || this.#reading !== undefined || this.#closed) return;
    this.#reading = clock.after(gather_ms, () => {
      this.#reading = undefined;
      this.#watched = consensus.status().watched;
      this.#read().then(
        () => this.#follow(),
        (error: unknown) => {
          failed("read which nodes the leader does not hear", reasonOf(error));
          // Read again at the next look.
          this.#watched = -1;
        },
      );
    });
  }

  async #read(): Promise<void> {
    const words = new Map<NodeId, UnheardWord>();
    for (const { name, value } of await this.#options.store.list("local")) {
      const node = name.slice(prefix.length);
      if (!name.startsWith(prefix) || !namePattern.test(node)) continue;
      const read = v.safeParse(wordSchema, parsedJson(value));
      if (read.success) words.set(node as NodeId, read.output);
    }
    const before = this.#words;
    this.#words = words;
    if (this.#closed) return;
    for (const [node, word] of words) if (!before.has(node)) this.#tell(node, word);
    for (const node of before.keys()) if (!words.has(node)) this.#tell(node, null);
  }

  /** Null: it is heard again. */
  #tell(node: NodeId, word: UnheardWord | null): void {
    const { events, membership, clock } = this.#options;
    for (const listener of [...this.#listeners]) listener(node, word !== null);
    if ((membership.member(node)?.status ?? "left") === "left") return;
    const isLate = word !== null && clock.wall_ms() - word.since_ms > late_ms;
    const since = isLate ? ` (since ${new Date(word.since_ms).toISOString()})` : "";
    const text =
      word === null
        ? `The leader hears ${node} again`
        : `The leader (${word.by}) does not hear ${node}, which has no lease: it takes no agents, and cannot act for those it has${since}`;
    const log = logger("lease");
    if (word === null) log.info(text);
    else log.warn(text);
    const [level, type] =
      word === null ? (["info", "lease.heard"] as const) : (["warn", "lease.unheard"] as const);
    events.record(level, type, text, { node });
  }

  #lookSoon(): void {
    this.#timer = this.#options.clock.after(look_ms, () => {
      this.#follow();
      this.#look()
        .catch((error: unknown) => this.#options.failed("find nodes that get no lease", reasonOf(error)))
        .finally(() => {
          if (!this.#closed) this.#lookSoon();
        });
    });
  }

  /** On the leader: by the ages of its leases. */
  async #look(): Promise<void> {
    const { consensus, authority, clock, terms, store, membership, giveWay } = this.#options;
    const { role, ready, quorum, term } = consensus.status();
    if (role !== "leader" || !ready || !quorum) {
      this.#silence = null;
      return;
    }
    const ages = await authority.ages();
    if (ages === null || this.#closed) return;
    // Another term of its own is another leader's, as far as grants go.
    if (this.#silence?.term !== term) this.#silence = { term, of: new LeaseSilence(terms) };
    const now_ms = clock.now_ms();
    const unheard = new Set(this.#words.keys());
    const { lost, heard } = this.#silence.of.look(ages, this.#candidates(now_ms), unheard, now_ms);
    for (const node of heard) await store.delete(prefix + node);
    if (lost.length > 0 && (await giveWay(lost))) return;
    for (const node of lost.slice(0, Math.max(0, nodesLimit - this.#words.size))) {
      const word: UnheardWord = { by: membership.self, since_ms: clock.wall_ms() };
      await store.put(prefix + node, JSON.stringify(word));
    }
    if (lost.length + heard.length > 0) await this.#read();
  }

  #candidates(now_ms: number): readonly LeaseCandidate[] {
    const { membership } = this.#options;
    return membership
      .members()
      .filter(({ id, status, tags }) => {
        // A witness has no agents, and no lease for them.
        return id !== membership.self && status !== "left" && tags.raft?.role !== "witness";
      })
      .map(({ id, bootEpoch }) => {
        const present = this.#present.get(id);
        return {
          node: id,
          boot: bootEpoch,
          present_ms: present === undefined ? null : now_ms - present.since_ms,
        };
      });
  }
}
