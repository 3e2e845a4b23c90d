/**
 * The SWIM core: `step(input, now)` changes the table and returns what to do. No clock, socket or
 * randomness of its own. `wake` is when to come back with a `tick` at the latest.
 */
import type { NodeId } from "../base/ids.ts";
import { assert, unreachable } from "../base/assert.ts";
import { applyCertificate } from "./certificates.ts";
import type { Coordinates } from "./coordinates.ts";
import type { SwimEffect, SwimInput } from "./effects.ts";
import { Failing } from "./failing.ts";
import { LoadNews } from "./load-news.ts";
import { Hearing } from "./hearing.ts";
import type { SwimMember } from "./members.ts";
import { gossip, sendPacket } from "./packets.ts";
import { Probing } from "./probing.ts";
import { PushPull, tableFrames } from "./push-pull.ts";
import { Reconnecting } from "./reconnecting.ts";
import { memberKey, recordOf, spreadMember, type SwimOptions, SwimState } from "./state.ts";
import type { Timing } from "./timing.ts";
import { applyRemoved, removedRecord } from "./removal.ts";

/** A tick that is late by this share of a probe's time-out is felt in local health. */
const lagShare = 0.5;

export class Swim {
  readonly #state: SwimState;
  readonly #probing: Probing;
  readonly #failing: Failing;
  readonly #pushPull: PushPull;
  readonly #reconnecting: Reconnecting;
  readonly #load: LoadNews;
  readonly #hearing: Hearing;
  #gossipAt = Infinity;
  #slowUntil = 0;
  #wake: number;

  constructor(options: SwimOptions, now: number) {
    this.#state = new SwimState(options, now);
    this.#probing = new Probing(this.#state);
    this.#failing = new Failing(this.#state);
    this.#pushPull = new PushPull(this.#state);
    this.#reconnecting = new Reconnecting(this.#state);
    this.#load = new LoadNews(this.#state);
    this.#hearing = new Hearing(this.#state, this.#probing, this.#pushPull);
    this.#wake = now;
  }

  /** When the next tick is due; infinite only outside of a cluster without seeds, and once removed. */
  get wake(): number {
    return this.#wake;
  }

  get localHealth(): number {
    return this.#state.awareness.score;
  }

  /** Many joined or came back in the last seconds. */
  get isStormy(): boolean {
    return this.#state.isStormy;
  }

  get members(): IterableIterator<SwimMember> {
    return this.#state.members.all();
  }

  /** All that are known, gone ones too. */
  get memberCount(): number {
    return this.#state.members.size;
  }

  get refused(): ReadonlyMap<string, number> {
    return this.#state.refused;
  }

  get coordinates(): Coordinates {
    return this.#state.coordinates;
  }

  get timing(): Timing {
    return this.#state.timing;
  }

  member(id: NodeId): SwimMember | undefined {
    return this.#state.members.get(id);
  }

  /** The boot epoch that a forgotten or removed node must not be behind. */
  buriedBoot(id: NodeId): number | undefined {
    return this.#state.members.grave(id)?.boot;
  }

  retime(timing: Timing): void {
    this.#state.timing = timing;
  }

  /** Boot epochs above `ceiling` are refused from now on. */
  setBootCeiling(ceiling: number): void {
    this.#state.bootCeiling = ceiling;
  }

  /** This node's alive update, encoded: for a hello. */
  ownRecord(): Uint8Array {
    return recordOf(this.#state, this.#state.me);
  }

  /** The table in frames of encoded records: for a welcome. */
  table(): Uint8Array[][] {
    return tableFrames(this.#state);
  }

  step(input: SwimInput, now: number): readonly SwimEffect[] {
    const state = this.#state;
    state.now = Math.max(state.now, now);
    state.awareness.elapse(state.now);
    this.#forgiveLag();
    const isLate = state.now > this.#wake && state.now - this.#wake <= this.#lagLimit_ms;
    this.#take(input);
    // What came while this node was kept from running is heard before anybody is judged by its absence.
    const waits = isLate && input.kind !== "tick";
    if (waits) this.#planGossip();
    else this.#runDue();
    // What had to wait for its turn is due now: only a tick that comes later than it was asked for is late.
    this.#wake = waits ? this.#due() : Math.max(this.#due(), state.now);
    const { effects } = state;
    state.effects = [];
    return effects;
  }

  #take(input: SwimInput): void {
    const state = this.#state;
    switch (input.kind) {
      case "tick":
        return;
      case "enter":
        this.#enter();
        return;
      case "packet":
        this.#hearing.hear(input, input.records);
        return;
      case "frame":
        this.#hearing.hear({ from: input.from, boot: null, address: null }, input.records);
        return;
      case "contacted":
        this.#reconnecting.contacted(input.contact, input.by);
        return;
      case "join":
        this.#reconnecting.join(input.seeds);
        return;
      case "tags":
        state.me.tags = input.tags;
        this.#raise();
        return;
      case "load":
        this.#load.measured(input.load);
        return;
      case "rumor":
        state.rumors.add(input.key, input.priority, input.bytes);
        return;
      case "hint":
        if (state.phase === "inside") this.#probing.hints.hinted(input.node, input.boot);
        return;
      case "certificate":
        applyCertificate(state, input.certificate, input.certificate.node);
        return;
      case "lag":
        this.#slow();
        return;
      case "ping":
        this.#probing.ping(input.ping, input.node, input.timeout_ms);
        return;
      case "remove": {
        const { node, boot } = input;
        const member = state.members.get(node);
        if (node === state.self) return;
        // First of all itself, if it lives: as it is no member any more, no news would go there.
        if (member?.incarnation.boot === boot)
          sendPacket(state, node, member.address, [removedRecord(node, member.incarnation)]);
        applyRemoved(state, { node, boot });
        return;
      }
      case "removals":
        for (const life of input.lives) applyRemoved(state, life);
        return;
      case "leave":
        this.#leave();
        return;
      default:
        unreachable(input);
    }
  }

  #enter(): void {
    const state = this.#state;
    assert(state.phase === "outside", "a node enters its cluster once");
    state.phase = "inside";
    this.#probing.begin();
    this.#pushPull.begin();
    this.#reconnecting.begin();
    spreadMember(state, state.me);
  }

  /** A new counter, so that the changed word about this node wins. */
  #raise(): void {
    const { me } = this.#state;
    me.incarnation = { boot: me.incarnation.boot, counter: me.incarnation.counter + 1 };
    if (this.#state.phase === "inside") spreadMember(this.#state, me);
    this.#state.emit({ kind: "member", event: "updated", member: me, reason: "this node itself" });
  }

  #leave(): void {
    const state = this.#state;
    if (state.phase === "inside") {
      state.phase = "leaving";
      state.members.setStatus(state.me, "left", state.now);
      this.#raise();
      // Nothing else any more: in a large cluster the goodbye would wait behind news that others pass on, too.
      state.rumors.clear();
      spreadMember(state, state.me);
    }
    if (state.phase !== "leaving" || state.aliveOthers().length === 0) {
      state.rumors.clear();
      state.emit({ kind: "left-told" });
    }
  }

  #runDue(): void {
    const state = this.#state;
    if (state.phase === "removed") return;
    if (state.phase !== "leaving") this.#reconnecting.run();
    if (state.phase === "outside") return;
    if (state.phase === "inside") {
      this.#probing.run();
      this.#failing.run();
      this.#pushPull.run();
      this.#load.run();
    }
    if (this.#gossipAt <= state.now) {
      this.#gossipAt = Infinity;
      gossip(state);
    }
    this.#planGossip();
    // Where all go at once, the last has nobody to tell.
    const isTold = !state.rumors.has(memberKey(state.self)) || !state.hasAliveOthers;
    if (state.phase === "leaving" && isTold) state.emit({ kind: "left-told" });
  }

  /** News that nobody is there for waits until somebody is. */
  #planGossip(): void {
    const state = this.#state;
    if (state.phase !== "inside" && state.phase !== "leaving") return;
    if (this.#gossipAt === Infinity && state.rumors.size > 0 && state.hasAliveOthers)
      this.#gossipAt = state.now + state.timing.gossip_ms * state.awareness.newsFactor;
  }

  #due(): number {
    const { phase } = this.#state;
    if (phase === "outside") return this.#reconnecting.due();
    if (phase === "leaving") return this.#gossipAt;
    if (phase === "removed") return Infinity;
    return Math.min(
      this.#gossipAt,
      this.#probing.due(),
      this.#failing.due(),
      this.#pushPull.due(),
      this.#reconnecting.due(),
      this.#load.due(),
    );
  }

  /** This node cannot keep its own times: once a period at most, its health suffers. */
  #slow(): void {
    const state = this.#state;
    if (state.now < this.#slowUntil) return;
    this.#slowUntil = state.now + state.timing.probe_ms * state.awareness.factor;
    state.awareness.change(1);
  }

  /** A tick that is later than a probe waits for its answer is one after sleep. */
  get #lagLimit_ms(): number {
    return this.#state.timing.timeout_ms * this.#state.awareness.factor;
  }

  /** A tick far too late means that this process was asleep or starved: silence heard meanwhile proves nothing. */
  #forgiveLag(): void {
    const state = this.#state;
    const lag_ms = state.now - this.#wake;
    if (state.plain || state.phase === "outside" || !(lag_ms > state.timing.timeout_ms * lagShare)) return;
    this.#slow();
    if (lag_ms <= this.#lagLimit_ms) return;
    this.#probing.forgive();
    this.#failing.forgive(lag_ms);
  }
}
