/**
 * Snapshots of the state machine as the core asks for them: opened, read and closed on the sending side; taken in,
 * installed or abandoned on the receiving one. The log and the state machine are two databases: a durable mark
 * says which of them a crash in between has left behind.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { ReplicatedState, SnapshotExport, SnapshotImport } from "../../control/replicated-state.ts";
import type { RaftEffect, RaftInput } from "../../raft/effects.ts";
import type { SnapshotMark } from "../../raft/messages.ts";
import type { RaftLog } from "../../store/raft-log.ts";

export type SnapshotEffect = Extract<
  RaftEffect,
  {
    kind:
      | "snapshot-open"
      | "snapshot-read"
      | "snapshot-close"
      | "snapshot-take"
      | "snapshot-abandon"
      | "snapshot-install";
  }
>;

export function isSnapshotEffect(effect: RaftEffect): effect is SnapshotEffect {
  return effect.kind.startsWith("snapshot-");
}

export interface SnapshotsOptions {
  readonly log: RaftLog;
  /** Null of a witness, which has nothing to copy. */
  readonly state: ReplicatedState | null;
  readonly input: (input: RaftInput) => void;
  /** The state machine is another now. */
  readonly installed: (index: number) => void;
}

export class Snapshots {
  #export: { readonly transfer: number; readonly source: SnapshotExport } | null = null;
  #import: { readonly transfer: number; readonly target: SnapshotImport } | null = null;
  sent = 0;
  received = 0;

  constructor(private readonly options: SnapshotsOptions) {}

  perform(effect: SnapshotEffect): void {
    switch (effect.kind) {
      case "snapshot-open":
        this.#open(effect.transfer);
        break;
      case "snapshot-read":
        this.#read(effect.transfer, effect.chunk);
        break;
      case "snapshot-close":
        if (this.#export?.transfer === effect.transfer) this.#closeExport();
        break;
      case "snapshot-take":
        this.#take(effect);
        break;
      case "snapshot-abandon":
        this.#abandon();
        break;
      case "snapshot-install":
        this.#install(effect.mark);
        break;
    }
  }

  close(): void {
    this.#closeExport();
    this.#abandon();
  }

  #open(transfer: number): void {
    const { state, input } = this.options;
    this.#closeExport();
    try {
      if (state === null) throw new CaxtonError("unavailable", "A witness has no state to copy");
      const source = state.exportSnapshot();
      this.#export = { transfer, source };
      input({ kind: "snapshot-opened", transfer, position: source.position });
    } catch (thrown) {
      input({ kind: "snapshot-failed", transfer, reason: reasonOf(thrown) });
    }
  }

  #read(transfer: number, chunk: number): void {
    const open = this.#export;
    if (open?.transfer !== transfer) return;
    try {
      const { bytes, last } = open.source.chunk(chunk);
      if (last) this.sent++;
      this.options.input({ kind: "snapshot-chunk", transfer, chunk, bytes, final: last });
    } catch (thrown) {
      this.#closeExport();
      this.options.input({ kind: "snapshot-failed", transfer, reason: reasonOf(thrown) });
    }
  }

  #take({ mark, chunk, bytes }: Extract<SnapshotEffect, { kind: "snapshot-take" }>): void {
    const { state, input } = this.options;
    if (state === null) {
      // To a witness the mark is the whole snapshot.
      input({ kind: "snapshot-taken", mark, wanted: chunk + 1 });
      return;
    }
    if (chunk === 0) {
      this.#abandon();
      this.#import = { transfer: mark.transfer, target: state.importSnapshot() };
    }
    const target = this.#import?.target;
    if (!target) return;
    try {
      target.add(bytes);
    } catch (thrown) {
      if (!(thrown instanceof CaxtonError) || thrown.code !== "data_corrupt") {
        this.#abandon();
        input({ kind: "snapshot-installed", mark, installed: false });
        return;
      }
      // Damaged on the way: the same chunk is asked for again.
    }
    input({ kind: "snapshot-taken", mark, wanted: target.wanted });
  }

  #abandon(): void {
    this.#import?.target.abandon();
    this.#import = null;
  }

  #install(mark: SnapshotMark): void {
    const { log, state, input, installed } = this.options;
    const place = { ...mark.position, configuration: mark.configuration };
    log.beginInstall(place);
    if (state !== null) {
      try {
        const target = this.#import?.target;
        if (!target) throw new CaxtonError("internal", "A snapshot is installed that was not taken");
        target.finish();
      } catch {
        // The state machine is as it was: so is the log.
        log.endInstall(null);
        this.#abandon();
        input({ kind: "snapshot-installed", mark, installed: false });
        return;
      }
    }
    log.endInstall(place);
    this.#import = null;
    this.received++;
    installed(mark.position.index);
    input({ kind: "snapshot-installed", mark, installed: true });
  }

  #closeExport(): void {
    this.#export?.source.close();
    this.#export = null;
  }
}
