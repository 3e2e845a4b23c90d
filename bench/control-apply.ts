/**
 * How quickly the control state applies committed commands, on one core, in a file: small puts as nodes send them, in
 * batches as a busy leader commits them; and how long a snapshot of what came of it takes to write and to take in.
 * No consensus and no network here: `consensus.ts` measures the whole.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlState, openControlState } from "../src/control/control-state.ts";
import type { CommittedEntry } from "../src/control/replicated-state.ts";
import { openDatabases } from "../src/platform/node/database.ts";
import { decodeOutcome, encodeControlCommand } from "../src/wire/control-command.ts";
import { controlCommands } from "../src/wire/control-kinds.ts";
import { encodeKvPut } from "../src/wire/control-kv.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";

const value = new Uint8Array(256).fill(7);
const batch = 64;
const keys = 100_000;
const target = { at: "least", value: 20_000 } as const;

export const bench: Bench = {
  question: "How many commands does the control state apply in a second of one core?",
  async run({ quick, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const { runs, commands } = quick ? { runs: 1, commands: 640 } : { runs: 3, commands: 32_000 };
    const folder = mkdtempSync(join(tmpdir(), "caxton-control-"));
    const databases = openDatabases();
    const figures = { session: [], keyed: [], exported: [], imported: [] } as Record<string, number[]>;
    try {
      for (let run = 0; run < runs; run++) {
        await quiet();
        const state = openControlState(databases, join(folder, `${run}.db`));
        const writer = new Writer(state);
        figures["session"]?.push(rate(commands, writer.puts(commands, false)));
        figures["keyed"]?.push(rate(commands / 4, writer.puts(commands / 4, true)));
        const copy = openControlState(databases, join(folder, `${run}-copy.db`));
        const chunks: Uint8Array[] = [];
        figures["exported"]?.push(processor_ms(() => readSnapshot(state, chunks)));
        figures["imported"]?.push(processor_ms(() => takeSnapshot(copy, chunks)));
        if (copy.hash.root !== state.hash.root) throw new Error("the copy differs");
        state.close();
        copy.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    const puts = "puts of 256 B, 64 a transaction, by processor time";
    return [
      { metric: puts, unit: "puts/s", target, runs: figures["session"] ?? [] },
      { metric: `${puts}, each with an Idempotency-Key`, unit: "puts/s", runs: figures["keyed"] ?? [] },
      { metric: "snapshot of it, written, processor time", unit: "ms", runs: figures["exported"] ?? [] },
      { metric: "snapshot of it, taken in, processor time", unit: "ms", runs: figures["imported"] ?? [] },
    ];
  },
};

/** What one core does in a second when nothing else wants it. */
function rate(commands: number, work: () => void): number {
  return Math.round((commands * 1e3) / processor_ms(work));
}

function processor_ms(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e3;
}

class Writer {
  readonly #state: ControlState;
  readonly #session: number;
  #sequence = 0;

  constructor(state: ControlState) {
    this.#state = state;
    const open = {
      kind: controlCommands.sessionOpen,
      body: new Uint8Array(),
      session: null,
      idempotencyKey: null,
    };
    const [outcome] = state.apply([this.#entry(1, { version: 1, principal: "bench", ...open })]);
    this.#session = decodeOutcome(outcome ?? new Uint8Array()).value;
  }

  /** Makes the entries now; what is returned applies them. */
  puts(count: number, keyed: boolean): () => void {
    const first = this.#state.applied.index + 1;
    const entries = Array.from({ length: count }, (_, i) => this.#put(first + i, keyed));
    return () => {
      for (let at = 0; at < count; at += batch) {
        const slice = entries.slice(at, at + batch);
        if (this.#state.apply(slice).length !== slice.length) throw new Error("not all were applied");
      }
    };
  }

  #put(index: number, keyed: boolean): CommittedEntry {
    const sequence = ++this.#sequence;
    const key = `key-${(sequence * 7_919) % keys}`;
    return this.#entry(index, {
      kind: controlCommands.kvPut,
      version: 1,
      principal: "bench",
      session: { session: this.#session, sequence, floor: Math.max(0, sequence - batch) },
      idempotencyKey: keyed ? `request-${sequence}` : null,
      body: encodeKvPut({ key, value, mediaType: "text/plain", condition: "any", fence: null }),
    });
  }

  #entry(index: number, command: Parameters<typeof encodeControlCommand>[0]): CommittedEntry {
    const stamp = { elapsed_ms: index, wall_ms: index };
    return { index, term: 1, kind: "command", data: this.#state.stamp(encodeControlCommand(command), stamp) };
  }
}

function readSnapshot(state: ControlState, chunks: Uint8Array[]): void {
  const source = state.exportSnapshot();
  for (;;) {
    const { bytes, last } = source.chunk(chunks.length);
    chunks.push(bytes);
    if (last) break;
  }
  source.close();
}

function takeSnapshot(state: ControlState, chunks: readonly Uint8Array[]): void {
  const target = state.importSnapshot();
  for (const chunk of chunks) target.add(chunk);
  target.finish();
}
