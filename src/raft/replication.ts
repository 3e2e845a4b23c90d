/**
 * How a leader brings its log to the others: a probe where the logs agree is not known, then a window of appends under
 * way bounded in messages and bytes, and a snapshot where what is needed is compacted. Nothing is sent while inputs are
 * taken; `flush` at the end of a step sends what they allow, so that proposals of one step travel together.
 */
import type { RaftId } from "./configuration.ts";
import { type Entry, sizeOf_bytes } from "./entry.ts";
import type { AppendedMessage, RefusedMessage } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";
import { strip } from "./witness.ts";

/** Messages to one follower in one step; the rest of a window goes with its next answer. */
const appendsPerFlush = 8;
/** Portions under way of what is read from the disk, so that one far behind does not hold up what is written. */
const coldPortions = 4;

export class Replication {
  constructor(private readonly state: RaftState) {}

  appended(from: RaftId, { match }: AppendedMessage): void {
    const { state } = this;
    const peer = state.leading.peers.get(from);
    if (peer === undefined || match > state.log.last.index) return;
    peer.hear(state.now);
    const { underWay } = peer;
    peer.acknowledged(match);
    if (underWay && !peer.underWay) peer.pace.arrived(state.now);
    if (peer.state === "probe") peer.replicate();
    else if (peer.state === "snapshot" && match >= state.log.base.index) peer.replicate();
  }

  /** Fast back-off: over all of a term at once on either side (the paper's section 5.3, end). */
  refused(from: RaftId, { previous, hint, last }: RefusedMessage): void {
    const { state } = this;
    const peer = state.leading.peers.get(from);
    if (peer === undefined) return;
    peer.hear(state.now);
    if (peer.state === "snapshot" || previous <= peer.match) return;
    // A probe is answered for what it asked; anything else is an old answer.
    if (peer.state === "probe" && peer.next - 1 !== previous) return;
    const end = Math.min(hint.index, last);
    const { log } = state;
    const common = end < log.base.index ? end : log.lastWithTermAtMost(end, hint.term).index;
    peer.probeFrom(Math.min(previous, common + 1));
  }

  /** An answer to a heartbeat: whoever is stuck is tried again. */
  heartbeatAnswered(peer: Progress, round: number): void {
    peer.hear(this.state.now);
    peer.answered(round);
    if (peer.state === "replicate" && peer.lostSomething(round)) peer.probeFrom(peer.match + 1);
  }

  /** A stream to it ended: what was under way is lost. */
  doubted(id: RaftId): void {
    const peer = this.state.leadership?.peers.get(id);
    if (peer === undefined) return;
    peer.doubted = true;
    if (peer.state === "replicate") peer.probeFrom(peer.match + 1);
  }

  flush(): void {
    const { leadership } = this.state;
    if (leadership === null) return;
    for (const peer of leadership.peers.values()) {
      for (let left = appendsPerFlush; left > 0 && this.#sendSome(peer); left--);
      this.#tellCommit(peer);
    }
  }

  /** When one far behind gets its next portion. */
  due(): number {
    const { leadership, log, now } = this.state;
    let due = Infinity;
    for (const peer of leadership?.peers.values() ?? []) {
      if (peer.state !== "replicate" || !this.#isFar(peer)) continue;
      const next = peer.pace.notBefore(log.commit, peer.underWay);
      if (next > now) due = Math.min(due, next);
    }
    return due;
  }

  /** By what others have committed: one that the quorum waits for is never far. */
  #isFar({ next }: Progress): boolean {
    const { log, options } = this.state;
    return log.commit - next >= options.limits.farEntries;
  }

  /** Returns true when there may be more to send at once. */
  #sendSome(peer: Progress): boolean {
    const { state } = this;
    const { log, leading } = state;
    const { limits } = state.options;
    if (peer.state === "snapshot" || peer.paused) return false;
    if (peer.next <= log.base.index) {
      peer.awaitSnapshot();
      return false;
    }
    // While data voters suffice, a witness is told of nothing that is not committed.
    const end = peer.role === "witness" && !leading.witnessCounts ? log.commit : log.last.index;
    const probing = peer.state === "probe";
    if (peer.next > end && !probing) return false;
    const cold = peer.next <= end && log.isCold(peer.next);
    const size = limits.portionEntries;
    if (!probing && !peer.hasRoom(limits.inflightAppends, limits.inflight_bytes)) return false;
    if (!probing && cold && peer.next - peer.match > coldPortions * size) return false;
    const far = this.#isFar(peer);
    const paced = far && !probing;
    const room = paced ? peer.pace.room(size, log.commit, peer.underWay, state.now) : size;
    if (room === 0) return false;
    const count = cold || far ? Math.min(room, limits.appendEntries) : limits.appendEntries;
    const entries = peer.next > end ? [] : log.entries(peer.next, end, count, limits.append_bytes);
    this.#send(peer, entries);
    if (probing) {
      peer.pause(leading.round);
      return false;
    }
    let bytes = 0;
    for (const entry of entries) bytes += sizeOf_bytes(entry);
    peer.sent(peer.next + entries.length - 1, bytes, leading.round);
    if (paced) peer.pace.left(entries.length, size, log.commit, state.now);
    // A portion of small entries leaves as a whole; what else is read from the disk does so a message at a time.
    return !cold || (paced && entries.length < room && bytes * appendsPerFlush <= limits.append_bytes);
  }

  #send(peer: Progress, entries: readonly Entry[]): void {
    const { state } = this;
    const { log, term } = state;
    const previous = { index: peer.next - 1, term: log.term(peer.next - 1) };
    const carried = peer.role === "witness" ? entries.map(strip) : entries;
    const { commit } = log;
    peer.commitTold = Math.max(peer.commitTold, Math.min(commit, previous.index + entries.length));
    state.out.sendEarly(peer.id, { kind: "append", term, previous, entries: carried, commit });
  }

  /** Whoever waits for an outcome elsewhere need not wait for the next heartbeat. No answer is wanted. */
  #tellCommit(peer: Progress): void {
    const { log, term, out } = this.state;
    const commit = Math.min(peer.match, log.commit);
    if (commit <= peer.commitTold || peer.state !== "replicate") return;
    peer.commitTold = commit;
    out.sendEarly(peer.id, { kind: "heartbeat", term, round: 0, commit });
  }
}
