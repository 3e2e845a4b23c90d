/**
 * The state machine of the simulated Raft worlds: registers, written by sessions that count their commands, so that one
 * repeated has no second effect. Like the real one it applies in relaxed transactions: a crash takes it back to some
 * state at or after the settled one. The applied index is part of that state.
 */
import type { Entry, LogPosition } from "../../raft/entry.ts";
import type { RegisterOperation } from "../linearizability.ts";

export interface RegisterCommand {
  readonly session: string;
  readonly sequence: number;
  readonly key: string;
  readonly operation: Exclude<RegisterOperation, { readonly kind: "read" }>;
}

interface Session {
  readonly sequence: number;
  readonly outcome: number;
}

/** One whole state: a value. */
interface MachineState {
  readonly position: LogPosition;
  readonly values: ReadonlyMap<string, number>;
  readonly sessions: ReadonlyMap<string, Session>;
  /** Over everything applied, in order. */
  readonly hash: number;
}

const utf8 = new TextEncoder();
const text = new TextDecoder();
/** So small that a snapshot has several. */
const chunk_bytes = 96;

export function encodeCommand(command: RegisterCommand): Uint8Array {
  return utf8.encode(JSON.stringify(command));
}

export class RaftMachine {
  #position: LogPosition = { index: 0, term: 0 };
  #values = new Map<string, number>();
  #sessions = new Map<string, Session>();
  #hash = 0;
  #settled: MachineState = this.#state();
  /** Applied since. */
  #unsettled: Entry[] = [];

  get position(): LogPosition {
    return this.#position;
  }

  get settled(): number {
    return this.#settled.position.index;
  }

  get hash(): number {
    return this.#hash;
  }

  value(key: string): number {
    return this.#values.get(key) ?? 0;
  }

  /** Gives the outcome of a command; 0 for what is none. */
  apply(entry: Entry): number {
    this.#unsettled.push(entry);
    return this.#carryOut(entry);
  }

  settle(): number {
    this.#settled = this.#state();
    this.#unsettled = [];
    return this.settled;
  }

  /** What the disk still has after a crash: everything settled, and `kept` of the entries applied since. */
  crash(kept: number): void {
    const tail = this.#unsettled.slice(0, kept);
    this.#restore(this.#settled);
    for (const entry of tail) this.#carryOut(entry);
    this.#unsettled = tail;
  }

  get unsettled(): number {
    return this.#unsettled.length;
  }

  export(): readonly Uint8Array[] {
    const { position, values, sessions, hash } = this.#state();
    const bytes = utf8.encode(
      JSON.stringify({ position, values: [...values], sessions: [...sessions], hash }),
    );
    const chunks: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += chunk_bytes)
      chunks.push(sealed(bytes.subarray(at, at + chunk_bytes)));
    return chunks;
  }

  /** Replaces everything, durably. False when the chunks are no snapshot of `position`. */
  import(chunks: readonly Uint8Array[], position: LogPosition): boolean {
    const joined = chunks.map((chunk) => text.decode(chunk.subarray(4))).join("");
    const state = JSON.parse(joined) as {
      readonly position: LogPosition;
      readonly values: readonly [string, number][];
      readonly sessions: readonly [string, Session][];
      readonly hash: number;
    };
    if (state.position.index !== position.index || state.position.term !== position.term) return false;
    this.#restore({ ...state, values: new Map(state.values), sessions: new Map(state.sessions) });
    this.settle();
    return true;
  }

  #carryOut({ index, term, kind, data }: Entry): number {
    this.#position = { index, term };
    this.#hash =
      (Math.imul(this.#hash ^ index, 0x01000193) ^ Math.imul(term + data.length, 0x9e3779b1)) >>> 0;
    if (kind !== "command") return 0;
    const { session, sequence, key, operation } = JSON.parse(text.decode(data)) as RegisterCommand;
    const known = this.#sessions.get(session);
    if (known !== undefined && known.sequence >= sequence) return known.outcome;
    const held = this.value(key);
    const writes = operation.kind === "write" || held === operation.expected;
    if (writes) this.#values.set(key, operation.value);
    const outcome = writes ? 1 : 0;
    this.#sessions.set(session, { sequence, outcome });
    this.#hash = Math.imul(this.#hash ^ operation.value, 0x01000193) >>> 0;
    return outcome;
  }

  #state(): MachineState {
    return {
      position: this.#position,
      values: new Map(this.#values),
      sessions: new Map(this.#sessions),
      hash: this.#hash,
    };
  }

  #restore({ position, values, sessions, hash }: MachineState): void {
    this.#position = position;
    this.#values = new Map(values);
    this.#sessions = new Map(sessions);
    this.#hash = hash;
  }
}

/** A chunk behind its checksum. */
function sealed(bytes: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(bytes.length + 4);
  new DataView(chunk.buffer).setUint32(0, checksum(bytes));
  chunk.set(bytes, 4);
  return chunk;
}

export function isSound(chunk: Uint8Array): boolean {
  if (chunk.length < 4) return false;
  const { buffer, byteOffset } = chunk;
  return new DataView(buffer, byteOffset).getUint32(0) === checksum(chunk.subarray(4));
}

function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
