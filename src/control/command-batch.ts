/**
 * Commands of several requests that are handled at the same time, proposed as one entry in the order of the requests
 * once each of them has come to its command or ended without one. Where one ended with its outcome open, nothing of
 * the later ones is proposed.
 */
import { assert } from "../base/assert.ts";
import { CaxtonError, type ErrorCode, reasonOf } from "../base/errors.ts";
import { type BatchedCommand, decodeBatchOutcomes, encodeBatch } from "../wire/control-batch.ts";
import { controlCommands } from "../wire/control-kinds.ts";
import type { CommandDone, CommandRequest } from "./control-client.ts";

/** Takes commands; see `ControlClient`, which is one. */
export interface CommandWay {
  command(request: CommandRequest): Promise<CommandDone>;
}

interface Waiting {
  readonly command: BatchedCommand;
  readonly resolve: (done: CommandDone) => void;
  readonly reject: (error: unknown) => void;
}

/** A request that is at work, that waits with its command, or that ended: with an outcome that stands, or without one. */
type Slot = "busy" | Waiting | "settled" | "open";

export class CommandBatch {
  readonly #way: CommandWay;
  readonly #slots: Slot[];
  #sent = false;

  constructor(way: CommandWay, requests: number) {
    this.#way = way;
    this.#slots = Array.from({ length: requests }, () => "busy");
  }

  /** For the commands of that request, each of which must have an Idempotency-Key. */
  slot(at: number): CommandWay {
    return {
      command: (request) => {
        if (this.#sent || this.#slots[at] !== "busy") return this.#way.command(request);
        return new Promise((resolve, reject) => {
          const { kind, principal, idempotencyKey, body } = request;
          assert(idempotencyKey !== null, "what is in a batch is known again");
          this.#slots[at] = {
            command: { kind, version: 1, principal, idempotencyKey, body },
            resolve,
            reject,
          };
          this.#look();
        });
      },
    };
  }

  /** That request ended, and whether its outcome stands. */
  finished(at: number, settled: boolean): void {
    if (this.#sent) return;
    this.#slots[at] = settled ? "settled" : "open";
    this.#look();
  }

  #look(): void {
    if (this.#sent || this.#slots.includes("busy")) return;
    this.#sent = true;
    const open = this.#slots.indexOf("open");
    const before = open < 0 ? this.#slots : this.#slots.slice(0, open);
    const waiting = before.filter((slot) => typeof slot === "object");
    for (const slot of this.#slots.slice(before.length)) {
      if (typeof slot === "object")
        slot.reject(new CaxtonError("no_quorum", "An earlier write has to be done before this one"));
    }
    if (waiting.length > 0) void this.#propose(waiting);
  }

  async #propose(waiting: readonly Waiting[]): Promise<void> {
    try {
      const body = encodeBatch(waiting.map(({ command }) => command));
      const request = { kind: controlCommands.batch, body, principal: "", idempotencyKey: null };
      const { index, outcome } = await this.#way.command(request);
      const outcomes = decodeBatchOutcomes(outcome.body, waiting.length);
      for (const [at, one] of outcomes.entries()) waiting[at]?.resolve({ index, outcome: one });
    } catch (error) {
      const reason = errorOfAll(error);
      for (const { reject } of waiting) reject(reason);
    }
  }
}

/** Refused before it was in any log; of a try before that whose answer was lost `outcome_unknown` would be told. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  "version_mismatch",
  "payload_too_large",
  "too_many_requests",
  "queue_full",
  "invalid_argument",
]);

/** What is wrong with them together says nothing of any one of them, but that nothing of it was done, if it was refused. */
function errorOfAll(error: unknown): CaxtonError {
  const known = error instanceof CaxtonError ? error : undefined;
  if (known?.code === "no_quorum" || known?.code === "outcome_unknown") return known;
  const code = known !== undefined && refusals.has(known.code) ? "no_quorum" : "unavailable";
  return new CaxtonError(code, `Not done together with others: ${reasonOf(error)}`, {
    cause: error,
  });
}
