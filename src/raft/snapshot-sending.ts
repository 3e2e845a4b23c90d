/**
 * Sending a snapshot: one at a time, since the state machine exports one at a time; whoever else needs one waits its
 * turn. Numbered chunks in a small window, resumed where the receiver says. While the cluster commits, windows leave at
 * the pace of entries for one far behind (catch-up-pace.ts). The transfer pins the log behind its position until the
 * follower has caught up, and has a deadline, so that a slow follower never holds up compaction.
 */
import { CatchUpPace } from "./catch-up-pace.ts";
import type { RaftId } from "./configuration.ts";
import type { RaftInput } from "./effects.ts";
import type { SnapshotMark, SnapshotReplyMessage } from "./messages.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

interface Sending {
  readonly to: RaftId;
  readonly transfer: number;
  readonly deadline: number;
  /** Null until the export is open. */
  mark: SnapshotMark | null;
  /** The chunk to read next, the one that the receiver wants, and the last one when it is known. */
  next: number;
  wanted: number;
  /** The first chunk that was never sent. */
  reach: number;
  final: number | null;
  /** The receiver's word came last, and the chunks were sent again last. */
  heard: number;
  repeated: number;
  readonly pace: CatchUpPace;
  /** It came too late the last time: now it goes without rests. */
  readonly hurries: boolean;
  /** All chunks are there; what follows in the log stays until the follower has it. */
  installed: boolean;
}

type Opened = Extract<RaftInput, { readonly kind: "snapshot-opened" }>;
type Chunk = Extract<RaftInput, { readonly kind: "snapshot-chunk" }>;

const nothing = new Uint8Array(0);
/** A receiver that is silent for so many election time-outs loses its turn. */
const patience = 10;
/** After this share of its time a transfer rests no more: late, it would have been for nothing. */
const paced = 1 / 2;
/** A portion of a snapshot counts as so many entries: the log never grows by them meanwhile, so only time lets it go on. */
const portionEntries = Number.MAX_SAFE_INTEGER;

export class SnapshotSending {
  #sending: Sending | null = null;
  #notBefore = -Infinity;
  /** Whose transfer came to its deadline last, and was not begun again. */
  #late: RaftId | null = null;

  constructor(private readonly state: RaftState) {}

  /** Entries above this index must stay; infinite when none must. */
  get pinned(): number {
    const { leadership } = this.state;
    if (this.#sending === null || leadership === null) return Infinity;
    const { mark, to, installed } = this.#sending;
    if (mark === null) return this.state.applied;
    return installed ? (leadership.peers.get(to)?.match ?? Infinity) : mark.position.index;
  }

  opened({ transfer, position }: Opened): void {
    const { state } = this;
    const sending = this.#sending;
    if (sending?.transfer !== transfer) return;
    if (position.index < state.log.base.index) {
      this.#end(true);
      return;
    }
    sending.mark = { transfer, position, configuration: state.configurations.at(position.index) };
    this.#fill(sending);
  }

  chunk({ transfer, chunk, bytes, final }: Chunk): void {
    const { state } = this;
    const sending = this.#sending;
    if (sending?.transfer !== transfer || sending.mark === null) return;
    if (final) sending.final = chunk;
    const { term } = state;
    state.out.sendEarly(sending.to, { kind: "snapshot", term, mark: sending.mark, chunk, bytes, final });
  }

  failed(transfer: number): void {
    if (this.#sending?.transfer === transfer) this.#end(true);
  }

  replied(from: RaftId, reply: SnapshotReplyMessage): void {
    const { state } = this;
    const peer = state.leading.peers.get(from);
    if (peer === undefined) return;
    peer.hear(state.now);
    if (reply.state === "installed" && reply.position.index <= state.log.last.index) {
      this.#installed(peer, reply.position.index);
      return;
    }
    const sending = this.#sending;
    if (sending?.to !== from || sending.transfer !== reply.transfer) return;
    sending.heard = state.now;
    if (reply.state === "refused") {
      this.#end(true);
      return;
    }
    if (reply.wanted > sending.wanted) {
      sending.wanted = reply.wanted;
      sending.next = Math.max(sending.next, reply.wanted);
      if (reply.wanted >= sending.reach) sending.pace.arrived(state.now);
    } else if (state.now - sending.repeated >= state.timing.heartbeat_ms) {
      // It asks again: a chunk was lost or damaged, or it began anew.
      this.#repeat(sending, reply.wanted);
    }
    this.#fill(sending);
  }

  /** The leader ceased to be one. */
  leadershipEnds(): void {
    this.#end(false);
  }

  run(): void {
    const { state } = this;
    const { leadership } = state;
    if (leadership === null) return;
    if (this.#sending !== null) this.#judge(this.#sending);
    for (const peer of leadership.peers.values()) {
      if (peer.state === "snapshot" && peer.role === "witness") this.#tellWitness(peer);
      else if (this.#sending === null && peer.state === "snapshot" && this.#mayBegin(peer))
        this.#begin(peer.id);
    }
  }

  due(): number {
    if (this.#sending === null) return Infinity;
    const { heard, deadline, repeated, installed } = this.#sending;
    if (installed) return deadline;
    if (rests(this.#sending)) return Math.min(deadline, this.#nextPortion(this.#sending));
    const { timing } = this.state;
    const again = Math.max(heard, repeated) + 2 * timing.heartbeat_ms;
    return Math.min(deadline, heard + patience * timing.election_ms, again);
  }

  #mayBegin(peer: Progress): boolean {
    const { now, timing } = this.state;
    return now >= this.#notBefore && now - peer.heard <= timing.election_ms;
  }

  #begin(to: RaftId): void {
    const { state } = this;
    const { now } = state;
    const pace = new CatchUpPace();
    // From here on it is seen whether anything is committed meanwhile.
    pace.left(0, 0, state.log.commit, now);
    this.#sending = {
      to,
      transfer: state.nextToken(),
      deadline: now + state.options.limits.snapshot_ms,
      mark: null,
      next: 0,
      wanted: 0,
      reach: 0,
      final: null,
      heard: now,
      repeated: now,
      pace,
      hurries: to === this.#late,
      installed: false,
    };
    this.#late = null;
    state.out.emit({ kind: "snapshot-open", transfer: this.#sending.transfer });
  }

  #judge(sending: Sending): void {
    const { state } = this;
    const { now, timing } = state;
    const peer = state.leading.peers.get(sending.to);
    if (now >= sending.deadline && !sending.installed) this.#late = sending.to;
    const silent = !rests(sending) && now - sending.heard >= patience * timing.election_ms;
    if (peer === undefined || now >= sending.deadline || (silent && !sending.installed)) {
      this.#end(true);
    } else if (sending.installed) {
      if (peer.state === "snapshot" || peer.match >= state.log.commit) this.#end(false);
    } else if (peer.state !== "snapshot") {
      this.#end(false);
    } else if (rests(sending)) {
      this.#fill(sending);
    } else if (now - Math.max(sending.heard, sending.repeated) >= 2 * timing.heartbeat_ms) {
      this.#repeat(sending, sending.wanted);
      this.#fill(sending);
    }
  }

  #repeat(sending: Sending, from: number): void {
    sending.wanted = from;
    sending.next = from;
    sending.repeated = this.state.now;
  }

  #fill(sending: Sending): void {
    const { state } = this;
    if (sending.mark === null) return;
    let end = Math.min(sending.wanted + state.options.limits.snapshotChunks - 1, sending.final ?? Infinity);
    if (sending.next > end) return;
    if (sending.next < sending.reach) {
      // Once more, and nothing new with it.
      end = Math.min(end, sending.reach - 1);
    } else {
      if (this.#nextPortion(sending) > state.now) return;
      if (rests(sending)) sending.heard = state.now;
      sending.pace.left(portionEntries, portionEntries, state.log.commit, state.now);
    }
    while (sending.next <= end)
      state.out.emit({ kind: "snapshot-read", transfer: sending.transfer, chunk: sending.next++ });
    sending.reach = Math.max(sending.reach, sending.next);
  }

  /** When more chunks may leave; infinite while what is under way has to arrive before. */
  #nextPortion({ deadline, pace, reach, wanted, hurries }: Sending): number {
    if (hurries) return -Infinity;
    const { log, options } = this.state;
    const hurry = deadline - (1 - paced) * options.limits.snapshot_ms;
    return Math.min(hurry, pace.notBefore(log.commit, reach > wanted));
  }

  /** To a witness the committed position is the whole snapshot; repeated with each heartbeat until it says so. */
  #tellWitness(peer: Progress): void {
    const { state } = this;
    const { log, term, configurations } = state;
    if (peer.paused) return;
    const position = { index: log.commit, term: log.term(log.commit) };
    const mark = { transfer: state.nextToken(), position, configuration: configurations.at(position.index) };
    peer.pause(state.leading.round);
    state.out.sendEarly(peer.id, { kind: "snapshot", term, mark, chunk: 0, bytes: nothing, final: true });
  }

  #installed(peer: Progress, match: number): void {
    peer.acknowledged(match);
    if (peer.state === "snapshot") peer.probeFrom(match + 1);
    const sending = this.#sending;
    if (sending?.to !== peer.id || sending.installed) return;
    this.#close(sending);
    sending.installed = true;
  }

  #end(failed: boolean): void {
    const sending = this.#sending;
    if (sending === null) return;
    this.#sending = null;
    if (!sending.installed) this.#close(sending);
    if (failed) this.#notBefore = this.state.now + this.state.timing.election_ms;
  }

  #close({ transfer }: Sending): void {
    this.state.out.emit({ kind: "snapshot-close", transfer });
  }
}

/** Whatever was sent has arrived, and there is more to send. */
function rests({ mark, wanted, reach, final }: Sending): boolean {
  return mark !== null && wanted >= reach && (final === null || wanted <= final);
}
