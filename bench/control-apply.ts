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
    const { runs, commands } = quick ? { runs: 1, commands: 640 } : { runs: 5, commands: 64_000 };
    const folder = mkdtempSync(join(tmpdir(), "caxton-control-"));
    const databases = openDatabases();
    const figures = { session: [], keyed: [], exported: [], imported: [] } as Record<string, number[]>;
    try {
      for (let run = 0; run < runs; run++) {
        await quiet();
        const state = openControlState(databases, join(folder, `${run}.db`));
        const writer = new Writer(state);
        figures["session"]?.push(rate(commands, () => writer.puts(commands, false)));
        figures["keyed"]?.push(rate(commands / 4, () => writer.puts(commands / 4, true)));
        const copy = openControlState(databases, join(folder, `${run}-copy.db`));
        const { chunks, export_ms } = exported(state);
        const started_ms = performance.now();
        const target = copy.importSnapshot();
        for (const chunk of chunks) target.add(chunk);
        target.finish();
        figures["exported"]?.push(export_ms);
        figures["imported"]?.push(performance.now() - started_ms);
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
      { metric: "snapshot of it, written", unit: "ms", runs: figures["exported"] ?? [] },
      { metric: "snapshot of it, taken in", unit: "ms", runs: figures["imported"] ?? [] },
    ];
  },
};

/** Commands a second of processor time: what one core does when nothing else wants it. */
function rate(commands: number, work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return Math.round((commands * 1e6) / (user + system));
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

  puts(count: number, keyed: boolean): void {
    for (let done = 0; done < count; done += batch) {
      const first = this.#state.applied.index + 1;
      const entries = Array.from({ length: batch }, (_, i) => this.#put(first + i, keyed));
      if (this.#state.apply(entries).length !== batch) throw new Error("not all were applied");
    }
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

function exported(state: ControlState): {
  readonly chunks: readonly Uint8Array[];
  readonly export_ms: number;
} {
  const started_ms = performance.now();
  const source = state.exportSnapshot();
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { bytes, last } = source.chunk(chunks.length);
    chunks.push(bytes);
    if (last) break;
  }
  source.close();
  return { chunks, export_ms: performance.now() - started_ms };
}
