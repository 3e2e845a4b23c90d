/**
 * One probe a period: directly, then through helpers and by stream at once, then suspicion. Also the
 * other side of it: acks, probes on behalf of others with a nack when those stay silent, and pings.
 */
import type { NodeId } from "../base/ids.ts";
import type { Coordinate } from "../wire/gossip-coordinate.ts";
import { encodeRecord, type GossipRecord } from "../wire/gossip-records.ts";
import { compareIncarnations, type GossipAddress, type Incarnation } from "../wire/gossip-values.ts";
import { Hints } from "./hints.ts";
import { accusation, sendAlone, sendFrame, sendPacket } from "./packets.ts";
import type { SwimState } from "./state.ts";
import { applySuspect } from "./updates.ts";

interface Probe {
  readonly sequence: number;
  readonly target: NodeId;
  /** The target's when the probe began: a newer one since then is as good as an answer. */
  readonly incarnation: Incarnation;
  readonly sent: number;
  /** When helpers are asked; infinite once they were. */
  indirectAt: number;
  readonly ends: number;
  readonly helpers: Set<NodeId>;
  /** Helpers that are well themselves, and hear nothing of the target either. */
  readonly nacked: Set<NodeId>;
}

/** A probe for somebody else. */
interface Relay {
  readonly requester: NodeId;
  readonly address: GossipAddress;
  readonly sequence: number;
  readonly target: NodeId;
  nackAt: number;
  readonly ends: number;
}

interface Ping {
  readonly ping: number;
  readonly target: NodeId;
  readonly sent: number;
  readonly ends: number;
}

/** More requests than this at once are not helped: the requester counts a missing nack. */
const relaysLimit = 256;
/** Of one requester: its ordinary probe, and its urgent ones, each asked several times. */
const relaysPerRequester = 64;
const pingsLimit = 64;
/** A helper says that it is well, but the target silent, at this share of the requester's wait. */
const nackShare = 0.8;

export class Probing {
  #probe: Probe | null = null;
  #nextAt = Infinity;
  #sequence: number;
  readonly hints: Hints;
  readonly #relays = new Map<number, Relay>();
  readonly #pings = new Map<number, Ping>();

  constructor(private readonly state: SwimState) {
    this.#sequence = state.prng.u32();
    this.hints = new Hints(state, () => this.#nextSequence());
  }

  /** The first probe at a random moment of a period, so that nodes started together do not beat together. */
  begin(): void {
    this.#nextAt = this.state.now + this.state.prng.float() * this.state.timing.probe_ms;
  }

  due(): number {
    let due = Math.min(this.#nextAt, this.#probe?.indirectAt ?? Infinity, this.hints.due());
    for (const relay of this.#relays.values()) due = Math.min(due, relay.nackAt, relay.ends);
    for (const ping of this.#pings.values()) due = Math.min(due, ping.ends);
    return due;
  }

  run(): void {
    const { now } = this.state;
    if (this.#probe && this.#probe.indirectAt <= now && now < this.#probe.ends) this.#askHelpers(this.#probe);
    if (this.#nextAt <= now) {
      if (this.#probe) this.#conclude(this.#probe);
      this.#start();
    }
    this.hints.run();
    this.#runRelays();
    for (const [sequence, { ping, ends }] of this.#pings) {
      if (ends > now) continue;
      this.#pings.delete(sequence);
      this.state.emit({ kind: "pinged", ping, roundTrip_ms: null });
    }
  }

  /** This node was asleep: what it did not hear proves nothing, so the probe under way is void. */
  forgive(): void {
    this.#probe = null;
    this.hints.forgive();
    this.#relays.clear();
    this.#nextAt = Math.max(this.#nextAt, this.state.now + this.state.timing.timeout_ms);
  }

  ping(ping: number, node: NodeId, timeout_ms: number): void {
    const member = this.state.members.get(node);
    if (!member || this.#pings.size >= pingsLimit) {
      this.state.emit({ kind: "pinged", ping, roundTrip_ms: null });
      return;
    }
    const { now } = this.state;
    const sequence = this.#nextSequence();
    this.#pings.set(sequence, { ping, target: node, sent: now, ends: now + timeout_ms });
    const probe = encodeRecord({ kind: "probe", sequence, target: node });
    sendPacket(this.state, node, member.address, [probe, ...accusation(this.state, member)]);
  }

  /** An ack by packet or stream. Only the probed node itself, or a helper that was asked, can give it. */
  acked(from: NodeId, sequence: number, byDatagram: boolean, place?: Coordinate): void {
    const { now } = this.state;
    const ping = this.#pings.get(sequence);
    if (ping?.target === from) {
      this.#pings.delete(sequence);
      if (byDatagram) this.#locate(from, now - ping.sent, place);
      this.state.emit({ kind: "pinged", ping: ping.ping, roundTrip_ms: now - ping.sent });
      return;
    }
    if (this.hints.acked(from, sequence)) return;
    const relay = this.#relays.get(sequence);
    if (relay?.target === from) {
      this.#relays.delete(sequence);
      this.#answer(relay, "ack");
      return;
    }
    const probe = this.#probe;
    if (probe?.sequence !== sequence) return;
    if (from !== probe.target && !probe.helpers.has(from)) {
      this.state.refuse("unexpected");
      return;
    }
    if (from === probe.target && byDatagram) {
      this.state.emit({ kind: "round-trip", node: from, roundTrip_ms: now - probe.sent });
      this.#locate(from, now - probe.sent, place);
    }
    this.#probe = null;
    this.state.awareness.change(-1);
  }

  #locate(node: NodeId, roundTrip_ms: number, place: Coordinate | undefined): void {
    if (!place) return;
    const { coordinates } = this.state;
    const before = coordinates.resets;
    const refusal = coordinates.observe(node, roundTrip_ms, place);
    if (refusal) this.state.refuse(refusal);
    if (coordinates.resets > before) this.state.refuse("coordinate_reset");
  }

  nacked(from: NodeId, sequence: number): void {
    if (this.#probe?.sequence === sequence && this.#probe.helpers.has(from)) this.#probe.nacked.add(from);
  }

  /** Probes for another member, and answers it either way. */
  relay(
    from: NodeId,
    address: GossipAddress,
    request: Extract<GossipRecord, { kind: "probe-request" }>,
  ): void {
    if (this.#isBusyFor(from) || request.target === this.state.self) {
      this.state.refuse("unexpected");
      return;
    }
    const { now } = this.state;
    const sequence = this.#nextSequence();
    this.#relays.set(sequence, {
      requester: from,
      address,
      sequence: request.sequence,
      target: request.target,
      nackAt: now + request.wait_ms * nackShare,
      ends: now + request.wait_ms,
    });
    // The helper's own word on where the target lives is as good, and no stranger can aim it elsewhere.
    const member = this.state.members.get(request.target);
    const probe = encodeRecord({ kind: "probe", sequence, target: request.target });
    if (member) sendPacket(this.state, member.id, member.address, [probe, ...accusation(this.state, member)]);
    else sendAlone(this.state, request.target, request.address, probe);
  }

  #isBusyFor(requester: NodeId): boolean {
    if (this.#relays.size >= relaysLimit) return true;
    let its = 0;
    for (const relay of this.#relays.values()) if (relay.requester === requester) its++;
    return its >= relaysPerRequester;
  }

  #start(): void {
    const { state } = this;
    const period_ms = state.timing.probe_ms * state.awareness.factor;
    this.#nextAt = state.now + period_ms;
    const member = state.order.next(state.members);
    if (!member) return;
    const sequence = this.#nextSequence();
    this.#probe = {
      sequence,
      target: member.id,
      incarnation: member.incarnation,
      sent: state.now,
      indirectAt: state.now + state.timing.timeout_ms * state.awareness.factor,
      ends: this.#nextAt,
      helpers: new Set(),
      nacked: new Set(),
    };
    const probe = encodeRecord({ kind: "probe", sequence, target: member.id });
    sendPacket(state, member.id, member.address, [probe, ...accusation(state, member)]);
  }

  #askHelpers(probe: Probe): void {
    const { state } = this;
    probe.indirectAt = Infinity;
    const member = state.members.get(probe.target);
    if (!member || state.isArriving(member)) return;
    const { sequence, target } = probe;
    const wait_ms = Math.max(0, Math.floor(probe.ends - state.now));
    for (const helper of state.someAlive(state.timing.indirectProbes, target)) {
      probe.helpers.add(helper.id);
      const { address } = member;
      const request = encodeRecord({ kind: "probe-request", sequence, target, address, wait_ms });
      sendPacket(state, helper.id, helper.address, [request]);
    }
    const direct = encodeRecord({ kind: "probe", sequence, target });
    sendFrame(state, target, [direct, ...accusation(state, member)]);
  }

  #conclude(probe: Probe): void {
    this.#probe = null;
    const member = this.state.members.get(probe.target);
    if (member && compareIncarnations(member.incarnation, probe.incarnation) > 0) return;
    if (member && this.state.isArriving(member)) return;
    this.#judgeOneself(probe);
    if (member) applySuspect(this.state, member.id, member.incarnation, this.state.self);
  }

  /**
   * Whose fault it was. With no nack at all it may well be this node's own. One that came shows that this node
   * hears: then silent helpers count only when they were heard meanwhile, and the others are probed next, so
   * that the loss of many at once neither slows detection down nor is found one by one.
   */
  #judgeOneself({ sent, helpers, nacked }: Probe): void {
    const { members, awareness, order } = this.state;
    if (nacked.size === 0) {
      awareness.change(1 + helpers.size);
      return;
    }
    for (const helper of helpers) {
      if (nacked.has(helper)) continue;
      if ((members.get(helper)?.heard ?? 0) > sent) awareness.change(1);
      else order.hurry(helper);
    }
  }

  #runRelays(): void {
    const { now } = this.state;
    for (const [sequence, relay] of this.#relays) {
      if (relay.nackAt <= now) {
        relay.nackAt = Infinity;
        this.#answer(relay, "nack");
      }
      if (relay.ends <= now) this.#relays.delete(sequence);
    }
  }

  #answer(relay: Relay, kind: "ack" | "nack"): void {
    sendPacket(this.state, relay.requester, relay.address, [
      encodeRecord({ kind, sequence: relay.sequence }),
    ]);
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}
