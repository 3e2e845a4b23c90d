/**
 * Hints that a process may be gone: a stream that closed without a goodbye, a refused connection, an ICMP
 * refusal. None is proof (a firewall rejects, a link flaps, a process restarts): each only starts a probe at
 * once, directly, through helpers and by stream. Without any answer a short suspicion follows, in which its
 * subject is asked and told again and again, so that whoever lives can still refute.
 */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord } from "../wire/gossip-records.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { isPresent, type SwimMember } from "./members.ts";
import { accusation, gossip, sendFrame, sendPacket } from "./packets.ts";
import type { SwimState } from "./state.ts";
import { applySuspect } from "./updates.ts";

interface Urgent {
  readonly target: NodeId;
  /** A newer one is as good as an answer. */
  readonly incarnation: Incarnation;
  /** Of each try; an answer to any counts. */
  readonly sequences: Set<number>;
  readonly helpers: Set<NodeId>;
  /** Nothing was heard so far: the subject is suspected, and asked on. */
  suspecting: boolean;
  nextAt: number;
}

/** After an answer further hints about a member are not followed for a while, ever longer while they keep coming. */
interface Quiet {
  wait_ms: number;
  until: number;
}

/** More at once (this node's own network went away) are left to the ordinary probes. */
const urgentLimit = 8;
/** For the first answers, of the time-out of an ordinary probe. */
const firstWait = 1.5;
/**
 * The short suspicion, in probe periods; stretched by local health like everything else. A process that
 * comes back within a second is so never shown as failed, and one that does not is still known in 1.3 s.
 */
const shortSuspicion = 3;
/** After sleep, until all ends of streams from meanwhile were heard of; the others hear such hints without delay. */
const wokenPeriods = 6;
const quietFirst_ms = 1_000;
const quietLongest_ms = 30_000;
const quietsLimit = 1_024;

export class Hints {
  readonly #urgent = new Map<NodeId, Urgent>();
  readonly #quiet = new Map<NodeId, Quiet>();
  /** Until then a hint may be about this node itself. */
  #wokenUntil = 0;

  constructor(
    private readonly state: SwimState,
    private readonly nextSequence: () => number,
  ) {}

  due(): number {
    let due = Infinity;
    for (const { nextAt } of this.#urgent.values()) due = Math.min(due, nextAt);
    return due;
  }

  /** `boot` is the life that the hint is about, when that is known. */
  hinted(node: NodeId, boot: number | null): void {
    const { state } = this;
    const member = state.members.get(node);
    if (!member || node === state.self || !isPresent(member) || this.#urgent.has(node)) return;
    // Of a life that is over anyway; the present one has nothing to do with it.
    if (boot !== null && boot !== member.incarnation.boot) return;
    if (this.#wokenUntil > state.now) return;
    if ((this.#quiet.get(node)?.until ?? 0) > state.now || this.#urgent.size >= urgentLimit) return;
    const urgent: Urgent = {
      target: node,
      incarnation: member.incarnation,
      sequences: new Set(),
      helpers: new Set(),
      suspecting: false,
      nextAt: state.now + state.timing.timeout_ms * state.awareness.factor * firstWait,
    };
    this.#urgent.set(node, urgent);
    this.#ask(urgent, member);
  }

  run(): void {
    for (const urgent of this.#urgent.values()) if (urgent.nextAt <= this.state.now) this.#goOn(urgent);
  }

  /** True when the ack belongs to an urgent probe; a helper's word counts, since it has heard the member. */
  acked(from: NodeId, sequence: number): boolean {
    for (const urgent of this.#urgent.values()) {
      if (!urgent.sequences.has(sequence)) continue;
      if (from !== urgent.target && !urgent.helpers.has(from)) {
        this.state.refuse("unexpected");
        return true;
      }
      this.#answered(urgent);
      return true;
    }
    return false;
  }

  /** This node was asleep: what it did not hear proves nothing, nor do the streams that others gave up meanwhile. */
  forgive(): void {
    this.#wokenUntil = this.state.now + wokenPeriods * this.state.timing.probe_ms;
    for (const { target } of this.#urgent.values()) this.state.members.get(target)?.suspicion?.prolong();
    this.#urgent.clear();
  }

  #goOn(urgent: Urgent): void {
    const { state } = this;
    const member = state.members.get(urgent.target);
    if (!member || !isPresent(member)) {
      this.#urgent.delete(urgent.target);
      return;
    }
    if (compareIncarnations(member.incarnation, urgent.incarnation) > 0) {
      this.#answered(urgent);
      return;
    }
    if (!urgent.suspecting) {
      urgent.suspecting = true;
      const reason = "gave a sign of its end and does not answer";
      applySuspect(state, member.id, member.incarnation, state.self, reason);
      const { probe_ms } = state.timing;
      member.suspicion?.shorten(state.now + shortSuspicion * probe_ms * state.awareness.factor);
      gossip(state);
    }
    urgent.nextAt = state.now + state.timing.timeout_ms;
    this.#ask(urgent, member);
  }

  #ask(urgent: Urgent, member: SwimMember): void {
    const { state } = this;
    const { target } = urgent;
    const sequence = this.nextSequence();
    urgent.sequences.add(sequence);
    const probe = [encodeRecord({ kind: "probe", sequence, target }), ...accusation(state, member)];
    sendPacket(state, target, member.address, probe);
    sendFrame(state, target, probe);
    const wait_ms = Math.ceil(state.timing.timeout_ms * state.awareness.factor * firstWait);
    const { address } = member;
    const request = encodeRecord({ kind: "probe-request", sequence, target, address, wait_ms });
    for (const helper of state.someAlive(state.timing.indirectProbes, target)) {
      urgent.helpers.add(helper.id);
      // With the accusation, so that the helper's probe tells it, too.
      sendPacket(state, helper.id, helper.address, [request, ...accusation(state, member)]);
    }
  }

  #answered({ target }: Urgent): void {
    const { state } = this;
    this.#urgent.delete(target);
    state.members.get(target)?.suspicion?.prolong();
    const before = this.#quiet.get(target);
    const again = before !== undefined && state.now < before.until + before.wait_ms;
    const wait_ms = again ? Math.min(2 * before.wait_ms, quietLongest_ms) : quietFirst_ms;
    this.#quiet.delete(target);
    this.#quiet.set(target, { wait_ms, until: state.now + wait_ms });
    for (const oldest of this.#quiet.keys()) {
      if (this.#quiet.size <= quietsLimit) break;
      this.#quiet.delete(oldest);
    }
  }
}
