/**
 * Rotation of the gossip key in a live ring. Each step goes to every node that is live, over streams that prove who
 * is at the other end, and is on disk there before the next begins: the new key last, then first, then alone. So at
 * any moment every two nodes accept what the other seals. Whoever was away takes the ring when it is back.
 */
import type { GossipKeyAnswer, SecurityService } from "../api/services.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Membership, MembershipEvent } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import {
  formatGossipRing,
  type GossipKeys,
  type GossipRing,
  isNewerRing,
  keyIdText,
  parseGossipRing,
  ringId,
} from "../security/gossip-keys.ts";
import { acceptedKeysLimit, key_bytes } from "../security/keyring.ts";
import { decodeUtf8, encodeUtf8 } from "../wire/cursor.ts";

/** Answers with the ring of the node that is asked. */
const askMethod = "security.gossip-ring";
/** Gives a ring; answered with the one that the node then has. */
const giveMethod = "security.gossip-ring.take";
const request_ms = 5_000;
/** Between a new key that seals and the end of the old one: packets that are on their way arrive. */
const settle_ms = 1_500;
const retryAfter_ms = 500;
/** A member that does not take its ring is back, or known to be gone, well within this: a silent one fails within 5 s. */
const usualPatience_ms = 10_000;
/** Nodes asked at once when this one may have missed a rotation, and how soon after the sign of it. */
const asked = 3;
const askAfter_ms = 300;
/** Between attempts to ask a live node that does not answer yet, as one that is starting. */
const askAgainAfter_ms = [2_000, 6_000] as const;
/** Packets of an old key may be on their way so long after their sender, or this node, took the new one. */
const healed_ms = 10_000;
const healedLimit = 256;
/** Nodes told at once. */
const toldAtOnce = 16;
const scheduleCheck_ms = 30_000;

export interface GossipRotationOptions {
  readonly self: NodeId;
  readonly keys: GossipKeys;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Null: only when asked to. */
  readonly rotateEvery_ms: number | null;
  /** Why this node is in no cluster yet; null when it is in one. Outside of it no schedule counts. */
  readonly waitsFor: () => string | null;
  /** For a live member that does not take its ring; 10 s unless given. */
  readonly patience_ms?: number;
  /** The ring of this node is another one now. */
  readonly changed: (text: string, keyId: string) => void;
  readonly failed: (what: string, reason: string) => void;
}

export class GossipRotation implements SecurityService {
  readonly #options: GossipRotationOptions;
  readonly #unsubscribe: () => void;
  /** Nodes that were away, or new: they or this one may have missed a rotation. */
  readonly #met = new Set<NodeId>();
  /** When a node of this host was given the ring; `""` is this node itself. */
  readonly #healed = new Map<string, number>();
  /** Nodes that are asked again, and when. */
  readonly #again = new Map<NodeId, Timer>();
  #asking: Timer | null = null;
  #schedule: Timer | null = null;
  #rotating = false;
  #closed = false;

  constructor(options: GossipRotationOptions) {
    this.#options = options;
    const { peers, membership, keys, rotateEvery_ms } = options;
    peers.handle(askMethod, () => Promise.resolve(encodeUtf8(formatGossipRing(keys.ring))));
    peers.handle(giveMethod, async (body) => {
      await this.#take(readRing(body));
      return encodeUtf8(formatGossipRing(keys.ring));
    });
    this.#unsubscribe = membership.subscribe((event) => this.#hear(event));
    for (const { id } of this.#live()) this.#askSoon(id);
    if (rotateEvery_ms !== null) this.#checkSchedule(rotateEvery_ms);
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#asking?.cancel();
    for (const timer of this.#again.values()) timer.cancel();
    this.#schedule?.cancel();
  }

  async rotateGossipKey(): Promise<GossipKeyAnswer> {
    if (this.#rotating)
      throw new CaxtonError("conflict", "A rotation of the gossip key is under way: wait until it is done");
    this.#rotating = true;
    try {
      return await this.#rotate();
    } finally {
      this.#rotating = false;
    }
  }

  /**
   * Whether packets from `host` that could not be opened were those of a member that missed a rotation, or this node
   * had missed it. Then all is well again when this resolves; otherwise somebody is a stranger.
   */
  async explains(host: string): Promise<boolean> {
    const { membership, clock } = this.#options;
    for (const wait_ms of [0, ...askAgainAfter_ms]) {
      if (wait_ms > 0) await new Promise<void>((resolve) => void clock.after(wait_ms, resolve));
      const members = membership.members().filter(({ address }) => address.host === host);
      const live = new Set(this.#live().map(({ id }) => id));
      const ids = members.map(({ id }) => id).filter((id) => live.has(id));
      await Promise.all(ids.slice(0, toldAtOnce).map((id) => this.#compare(id)));
      const now_ms = clock.now_ms();
      if ([host, ""].some((one) => now_ms - (this.#healed.get(one) ?? -Infinity) < healed_ms)) return true;
      // One that is only just coming back speaks before it is let in, and has its keys after that.
      if (members.length === 0 || this.#closed) return false;
    }
    return false;
  }

  async #rotate(): Promise<GossipKeyAnswer> {
    const { keys, clock, entropy, self } = this.#options;
    const before = keys.agreed.slice(0, acceptedKeysLimit - 1);
    const fresh = entropy.bytes(key_bytes);
    const since_ms = clock.wall_ms();
    const { generation } = keys.ring;
    const step = (ahead: number, ring: readonly Uint8Array[]): GossipRing => ({
      generation: generation + ahead,
      since_ms,
      keys: ring,
    });
    const accepted = "the old key still seals everywhere";
    await this.#spread(step(1, [...before, fresh]), accepted);
    this.#mustHave(fresh);
    const seals = "the new key seals, and the old one is still accepted";
    await this.#spread(step(2, [fresh, ...before]), seals);
    await new Promise<void>((resolve) => void clock.after(settle_ms, resolve));
    this.#mustHave(fresh);
    const told = await this.#spread(step(3, [fresh]), seals);
    const nodes = this.#options.membership
      .members()
      .filter(({ status }) => status !== "left")
      .map(({ id }) => ({
        node: id,
        status: id === self || told.has(id) ? ("rotated" as const) : ("down" as const),
      }));
    return { key: keyIdText(fresh), previous: keyIdText(before[0] ?? fresh), nodes };
  }

  /** Another rotation's ring may have come at any moment. */
  #mustHave(key: Uint8Array): void {
    const { keys, self } = this.#options;
    if (!keys.agreed.some((one) => Buffer.compare(one, key) === 0)) throw overtaken(self);
  }

  /** Gives the ring to this node and all live ones. Throws with `state`, what holds now, when a live one did not take it. */
  async #spread(ring: GossipRing, state: string): Promise<ReadonlySet<NodeId>> {
    const { keys, self } = this.#options;
    // Another rotation's step since the last one of this: what it spread is not accepted everywhere.
    const isNext = keys.ring.generation === ring.generation - 1;
    if (!isNext || !(await this.#take(ring))) throw overtaken(self);
    const told = new Set<NodeId>();
    const waiting = this.#live().map(({ id }) => id);
    const worker = async (): Promise<void> => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop())
        if (await this.#giveOrGone(id, ring, state)) told.add(id);
    };
    await Promise.all(Array.from({ length: toldAtOnce }, worker));
    return told;
  }

  /** False when the node is not live any more: it takes the ring when it is back. */
  async #giveOrGone(id: NodeId, ring: GossipRing, state: string): Promise<boolean> {
    const { clock, patience_ms = usualPatience_ms } = this.#options;
    const end_ms = clock.now_ms() + patience_ms;
    for (;;) {
      try {
        const theirs = await this.#give(id, ring);
        if (!isSameRing(theirs, ring)) throw overtaken(id);
        return true;
      } catch (error) {
        if (error instanceof CaxtonError && error.code === "conflict") throw error;
        if (!this.#live().some((member) => member.id === id)) return false;
        if (this.#closed || clock.now_ms() >= end_ms) {
          const why = `node "${id}" did not take it: ${reasonOf(error)}`;
          throw new CaxtonError(
            "unavailable",
            `Cannot rotate the gossip key, ${why}; ${state}. Try again when all nodes are well`,
            { cause: error },
          );
        }
        await new Promise<void>((resolve) => void clock.after(retryAfter_ms, resolve));
      }
    }
  }

  async #give(id: NodeId, ring: GossipRing): Promise<GossipRing> {
    const body = encodeUtf8(formatGossipRing(ring));
    return readRing(await this.#options.peers.request(id, giveMethod, body, { timeout_ms: request_ms }));
  }

  /** On disk first, then in use. False when this node has a newer one. */
  async #take(ring: GossipRing): Promise<boolean> {
    const { keys, membership, changed } = this.#options;
    const before = keys.agreed[0];
    if (!(await keys.take(ring))) return false;
    membership.setGossipKeys(keys.accepted);
    this.#heal("");
    const sealing = keys.agreed[0];
    if (sealing && before && Buffer.compare(sealing, before) !== 0) {
      const id = keyIdText(sealing);
      changed(`Gossip key is now ${id}`, id);
    }
    return true;
  }

  #hear(event: MembershipEvent): void {
    const { self, keys } = this.#options;
    if ((event.kind === "joined" || event.kind === "alive") && event.member.id !== self) {
      this.#askSoon(event.member.id);
      // Whichever node gives it the keys, what it sealed before is on the way.
      if (keys.ring.generation > 0) this.#heal(event.member.address.host);
    }
    // Packets that this node cannot open: it may be the one that missed a rotation.
    else if (event.kind === "refused") for (const { id } of this.#live()) this.#askSoon(id);
  }

  #askSoon(node: NodeId): void {
    if (this.#closed) return;
    this.#met.add(node);
    this.#asking ??= this.#options.clock.after(askAfter_ms, () => {
      this.#asking = null;
      const nodes = [...this.#met];
      this.#met.clear();
      const at = nodes.length > 0 ? (this.#options.entropy.bytes(1)[0] ?? 0) % nodes.length : 0;
      const some = [...nodes.slice(at), ...nodes.slice(0, at)].slice(0, asked);
      for (const id of some) void this.#compare(id);
    });
  }

  /** Takes the other's ring when it is newer, and gives it this one when it is older. */
  async #compare(id: NodeId, attempt = 0): Promise<void> {
    const { peers, keys, membership } = this.#options;
    try {
      const answer = await peers.request(id, askMethod, new Uint8Array(), { timeout_ms: request_ms });
      const theirs = readRing(answer);
      if (await this.#take(theirs)) return;
      if (isNewerRing(keys.ring, theirs)) {
        await this.#give(id, keys.ring);
        this.#heal(membership.member(id)?.address.host ?? "");
      }
    } catch (error) {
      this.#unanswered(id, attempt, reasonOf(error));
    }
  }

  /** Who is gone is asked when it is back; a live one is asked again, and told of after the last attempt. */
  #unanswered(id: NodeId, attempt: number, reason: string): void {
    const { clock, failed } = this.#options;
    if (this.#closed || this.#again.has(id) || !this.#live().some((member) => member.id === id)) return;
    const wait_ms = askAgainAfter_ms[attempt];
    if (wait_ms === undefined) {
      failed(`compare gossip keys with node "${id}"`, reason);
      return;
    }
    const timer = clock.after(wait_ms, () => {
      this.#again.delete(id);
      void this.#compare(id, attempt + 1);
    });
    this.#again.set(id, timer);
  }

  #heal(host: string): void {
    this.#healed.delete(host);
    this.#healed.set(host, this.#options.clock.now_ms());
    if (this.#healed.size <= healedLimit) return;
    for (const oldest of this.#healed.keys()) {
      this.#healed.delete(oldest);
      return;
    }
  }

  #live(): readonly { readonly id: NodeId }[] {
    const { membership, self } = this.#options;
    return membership
      .members()
      .filter(({ id, status }) => id !== self && (status === "alive" || status === "suspect"));
  }

  /** The node with the lowest name among the live does it for all. */
  #checkSchedule(every_ms: number): void {
    const { clock, keys, failed, self, waitsFor } = this.#options;
    this.#schedule = clock.after(Math.min(scheduleCheck_ms, every_ms), () => this.#checkSchedule(every_ms));
    // A ring of its own making would meet the cluster's with a generation that counts for nothing there.
    if (waitsFor() !== null) return;
    const now_ms = clock.wall_ms();
    if (keys.ring.since_ms === 0) {
      // Never rotated: the time counts from the first start that knows of the schedule.
      void keys.begin(now_ms).catch((error: unknown) => failed("keep the gossip keys", reasonOf(error)));
      return;
    }
    if (now_ms - keys.ring.since_ms < every_ms || this.#live().some(({ id }) => id < self)) return;
    this.rotateGossipKey().catch((error: unknown) => failed("rotate the gossip key", reasonOf(error)));
  }
}

function isSameRing(a: GossipRing, b: GossipRing): boolean {
  return a.generation === b.generation && ringId(a) === ringId(b);
}

function readRing(bytes: Uint8Array): GossipRing {
  const ring = parseGossipRing(decodeUtf8(bytes));
  if (ring === undefined) throw new CaxtonError("invalid_argument", "These are no gossip keys");
  return ring;
}

function overtaken(node: NodeId): CaxtonError {
  const detail = `Another rotation of the gossip key overtook this one at node "${node}": it goes on without it`;
  return new CaxtonError("conflict", detail);
}
