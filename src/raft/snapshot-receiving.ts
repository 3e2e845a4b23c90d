/**
 * Receiving a snapshot: chunks in order, the driver judges each and the whole; then the state machine and the log are
 * replaced together. Never by what is older than what is committed here.
 */
import type { RaftId } from "./configuration.ts";
import type { RaftInput } from "./effects.ts";
import type { SnapshotMark, SnapshotMessage, SnapshotReplyMessage } from "./messages.ts";
import type { RaftState } from "./state.ts";

interface Receiving {
  readonly mark: SnapshotMark;
  from: RaftId;
  wanted: number;
  /** A chunk is being judged. */
  taking: boolean;
  /** Arrived before their turn, at most as many as a sender's window. */
  readonly early: Map<number, SnapshotMessage>;
  final: number | null;
}

type Taken = Extract<RaftInput, { readonly kind: "snapshot-taken" }>;
type Installed = Extract<RaftInput, { readonly kind: "snapshot-installed" }>;

export class SnapshotReceiving {
  #receiving: Receiving | null = null;

  constructor(private readonly state: RaftState) {}

  received(from: RaftId, message: SnapshotMessage): void {
    const { state } = this;
    const { mark, chunk } = message;
    if (state.installing) return;
    if (this.#hasAlready(mark)) {
      this.#reply(from, mark, "installed", 0);
      return;
    }
    if (state.options.witness) {
      this.#resetWitness(from, mark);
      return;
    }
    const receiving = this.#begun(from, mark);
    const { snapshotChunks } = state.options.limits;
    if (chunk >= receiving.wanted && chunk < receiving.wanted + 2 * snapshotChunks)
      receiving.early.set(chunk, message);
    this.#takeNext(receiving);
    if (!receiving.taking) this.#reply(from, mark, "receiving", receiving.wanted);
  }

  taken({ mark, wanted }: Taken): void {
    const receiving = this.#receiving;
    if (receiving?.mark.transfer !== mark.transfer || !receiving.taking) return;
    receiving.taking = false;
    receiving.wanted = wanted;
    for (const chunk of receiving.early.keys()) if (chunk < wanted) receiving.early.delete(chunk);
    if (receiving.final !== null && wanted > receiving.final) {
      this.state.installing = true;
      this.state.out.emit({ kind: "snapshot-install", mark });
      return;
    }
    this.#reply(receiving.from, mark, "receiving", wanted);
    this.#takeNext(receiving);
  }

  /** Returns true when the log is now the snapshot's. */
  installed({ mark, installed }: Installed): boolean {
    const { state } = this;
    const receiving = this.#receiving;
    if (receiving?.mark.transfer !== mark.transfer) return false;
    this.#receiving = null;
    state.installing = false;
    if (installed) this.#replaceLog(mark);
    this.#reply(receiving.from, mark, installed ? "installed" : "refused", 0);
    return installed;
  }

  /** Another term, another leader: its snapshot is another one. */
  abandon(): void {
    if (this.#receiving === null || this.state.installing) return;
    this.#receiving = null;
    this.state.out.emit({ kind: "snapshot-abandon" });
  }

  #hasAlready({ position }: SnapshotMark): boolean {
    const { log } = this.state;
    if (position.index <= log.commit) return true;
    if (!log.matches(position) || position.index > log.stable) return false;
    log.commitTo(position.index);
    return true;
  }

  #begun(from: RaftId, mark: SnapshotMark): Receiving {
    const known = this.#receiving;
    if (known?.mark.transfer === mark.transfer && known.from === from) return known;
    this.#receiving = { mark, from, wanted: 0, taking: false, early: new Map(), final: null };
    return this.#receiving;
  }

  #takeNext(receiving: Receiving): void {
    if (receiving.taking) return;
    const message = receiving.early.get(receiving.wanted);
    if (message === undefined) return;
    receiving.early.delete(receiving.wanted);
    receiving.taking = true;
    const { mark, chunk, bytes, final } = message;
    if (final) receiving.final = chunk;
    this.state.out.emit({ kind: "snapshot-take", mark, chunk, bytes, final });
  }

  #resetWitness(from: RaftId, mark: SnapshotMark): void {
    this.#replaceLog(mark);
    this.state.resetTo = { base: mark.position, configuration: mark.configuration };
    this.#reply(from, mark, "installed", 0);
  }

  #replaceLog({ position, configuration }: SnapshotMark): void {
    const { state } = this;
    state.log.reset(position);
    state.configurations.reset({ index: position.index, configuration });
    state.applied = position.index;
    state.settled = position.index;
  }

  #reply(to: RaftId, mark: SnapshotMark, state: SnapshotReplyMessage["state"], wanted: number): void {
    const { transfer, position } = mark;
    const { term } = this.state;
    this.state.send(to, { kind: "snapshot-reply", term, transfer, position, state, wanted });
  }
}
