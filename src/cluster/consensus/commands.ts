/**
 * Commands on their way into the core: stamped where this node leads, left as they came where it does not. They are
 * stepped after everything else of a turn, so that no change of role can come between the look and the step:
 * a command must stand in the log stamped, and stamped once. Where many come they gather a little: each batch costs
 * every voter a commit of its disk, which costs as much processor time as some twenty commands.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RaftId } from "../../raft/configuration.ts";
import type { RaftInput } from "../../raft/effects.ts";
import type { ForwardMessage, RaftMessage } from "../../raft/messages.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { ConsensusState } from "./state.ts";

type Command =
  | Extract<RaftInput, { kind: "propose" }>
  | { readonly kind: "forward"; readonly from: RaftId; readonly message: ForwardMessage };

/** With fewer entries on their way to being committed than these, commands follow at once. */
const underWay_few = 4;
/** Otherwise they wait until those are committed, until so many wait, or for so long. */
const gathered_many = 64;
const gather_ms = 3;

export interface CommandsOptions {
  readonly clock: Clock;
  /** As it is now; `underWay`: entries in the log that are not committed. */
  readonly core: () => { readonly role: RaftStatus["role"]; readonly underWay: number };
  /** They are to be taken in this turn or the next; or at that time, if nothing comes before. */
  readonly wake: () => void;
  readonly wakeAt: (due_ms: number) => void;
  readonly state: Pick<ConsensusState, "stamp">;
  readonly reject: (id: number, code: string, detail: string) => void;
  readonly send: (to: RaftId, message: RaftMessage) => void;
}

export class Commands {
  #waiting: Command[] = [];
  /** When the first of them came. */
  #since_ms = 0;
  #leads: { readonly term: number; readonly since_ms: number } | null = null;

  constructor(private readonly options: CommandsOptions) {}

  add(command: Command): void {
    if (this.#waiting.length === 0) this.#since_ms = this.options.clock.now_ms();
    this.#waiting.push(command);
    this.wake();
  }

  /** Some wait, and no longer for others to come. */
  get isDue(): boolean {
    return this.#due_ms <= this.options.clock.now_ms();
  }

  /** For those that still wait. */
  wake(): void {
    if (this.isDue) this.options.wake();
    else if (this.#waiting.length > 0) this.options.wakeAt(this.#due_ms);
  }

  /** To be told of each change of role: the leaders' time passes though nobody proposes anything. */
  status({ role, term }: Pick<RaftStatus, "role" | "term">): void {
    if (role !== "leader") this.#leads = null;
    else if (this.#leads?.term !== term) this.#leads = { term, since_ms: this.options.clock.now_ms() };
  }

  /** Everything that waits, as inputs for the core in the role that it has now. */
  take(status: Pick<RaftStatus, "role" | "term">): RaftInput[] {
    const commands = this.#waiting;
    this.#waiting = [];
    this.status(status);
    const leads = status.role === "leader";
    const ready: RaftInput[] = [];
    for (const command of commands) {
      if (command.kind === "forward") ready.push(this.#forwarded(command.from, command.message, leads));
      else if (!leads) ready.push(command);
      else {
        try {
          ready.push({ ...command, data: this.#stamped(command.data) });
        } catch (thrown) {
          this.options.reject(command.id, codeOf(thrown), reasonOf(thrown));
        }
      }
    }
    return ready;
  }

  get #due_ms(): number {
    if (this.#waiting.length === 0) return Infinity;
    const { role, underWay } = this.options.core();
    const atOnce = role !== "leader" || underWay < underWay_few || this.#waiting.length >= gathered_many;
    return atOnce ? -Infinity : this.#since_ms + gather_ms;
  }

  #forwarded(from: RaftId, message: ForwardMessage, leads: boolean): RaftInput {
    if (!leads) return { kind: "message", from, message };
    const { term } = message;
    const refused: number[] = [];
    const proposals = message.proposals.flatMap(({ id, data }) => {
      try {
        return [{ id, data: this.#stamped(data) }];
      } catch (thrown) {
        // Its own node has checked it: what this one does not know is of another version.
        const [code, detail] = [codeOf(thrown), reasonOf(thrown)];
        this.options.send(from, { kind: "forward-refused", term, id, code, detail });
        refused.push(id);
        return [];
      }
    });
    if (refused.length > 0) {
      const results = refused.map((id) => ({ id, position: null }));
      this.options.send(from, { kind: "forward-reply", term, results });
    }
    return { kind: "message", from, message: { ...message, proposals } };
  }

  #stamped(command: Uint8Array): Uint8Array {
    const { clock, state } = this.options;
    const now_ms = clock.now_ms();
    const elapsed_ms = Math.floor(now_ms - (this.#leads?.since_ms ?? now_ms));
    return state.stamp(command, { elapsed_ms, wall_ms: clock.wall_ms() });
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof CaxtonError ? thrown.code : "internal";
}
