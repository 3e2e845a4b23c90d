/**
 * What a simulated machine's disk keeps of messages, and how it takes writes: soon, not at all for a while, or
 * with an error. A write that was under way when the process ended may or may not be there.
 */
import { CaxtonError } from "../base/errors.ts";
import type { MessageId } from "../base/ids.ts";
import type { JournalRecord } from "../wire/journal-record.ts";
import { messageIdOf } from "../wire/message.ts";
import type { Host } from "./host.ts";

export type DiskState = "well" | "hangs" | "errors";

/** Of one group commit with its fsync. */
const write_ms = 3;

export class Disk {
  /** Promised to be delivered, oldest first. */
  readonly outbox = new Map<MessageId, Uint8Array>();
  /** What the node's agents have taken. */
  readonly taken = new Set<MessageId>();
  #state: DiskState = "well";
  #waiting: (() => void)[] = [];

  constructor(private readonly host: Host) {}

  get state(): DiskState {
    return this.#state;
  }

  set(state: DiskState): void {
    this.#state = state;
    if (state === "hangs") return;
    for (const write of this.#waiting.splice(0)) write();
  }

  /** Calls back when it is written, or with the error. Never for a process that ended. */
  write(done: (error: CaxtonError | null) => void): void {
    const write = (): void => {
      if (this.#state === "hangs") this.#waiting.push(write);
      else done(this.#state === "errors" ? new CaxtonError("disk_full", "no space left on device") : null);
    };
    this.host.after(write_ms, write);
  }

  /** Before the first write of a new process. */
  forget(): void {
    this.#waiting = [];
  }

  /** As `Store.append`: resolves when the records are there, and rejects when nothing of them is. */
  append(records: readonly JournalRecord[], kept: (record: JournalRecord) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.write((error) => {
        if (error) {
          reject(error);
          return;
        }
        for (const record of records) this.#keep(record);
        for (const record of records) kept(record);
        resolve();
      });
    });
  }

  #keep(record: JournalRecord): void {
    if (record.kind === "outbox") this.outbox.set(messageIdOf(record.message), record.message);
    else if (record.kind === "sent") this.outbox.delete(record.message);
    else if (record.kind === "accepted") this.taken.add(messageIdOf(record.message));
  }
}
