/**
 * Clients of a simulated Raft world: each does one thing at a time at some node, tries again elsewhere while nobody
 * answers (a write under the same number of its session), and notes when it asked and what it was told.
 */
import type { Prng } from "../../base/prng.ts";
import type { HistoryEntry, RegisterOperation } from "../linearizability.ts";
import { encodeCommand } from "./machine.ts";
import type { RaftNode } from "./node.ts";
import type { RaftScenario } from "./scenario.ts";

export interface RaftClientsWorld {
  readonly now: number;
  at(time_ms: number, work: () => void): void;
  /** A node to ask: any that runs, or one that thinks it leads. */
  someNode(leading: boolean): RaftNode | undefined;
  /** Counts up at each call: the order of all calls and returns. */
  moment(): number;
}

interface Doing {
  readonly key: string;
  readonly operation: RegisterOperation;
  readonly called: number;
  readonly deadline: number;
  readonly session: string;
  readonly sequence: number;
  /** Grows with each try; answers to older tries still count. */
  tries: number;
  /** Some try may have been appended: if none is answered, the operation may yet happen. */
  open: boolean;
  done: boolean;
}

const keys = ["a", "b", "c"];
const patience_ms = 900;
const retry_ms = 25;
const answerWait_ms = 250;

export class RaftClients {
  readonly history: HistoryEntry[] = [];
  answered = 0;
  #value = 0;
  #stopped = false;
  readonly #doing = new Map<Doing, readonly [client: string, session: number]>();

  constructor(
    private readonly world: RaftClientsWorld,
    private readonly prng: Prng,
    private readonly nature: Pick<RaftScenario, "clients" | "think_ms" | "readers">,
  ) {
    for (let i = 1; i <= nature.clients; i++) this.#think(`c${i}`, 1, 1);
  }

  /** No new operations, and no more tries of those under way: what becomes of them nobody will know. */
  stop(): void {
    this.#stopped = true;
    for (const [doing, [client, session]] of this.#doing) this.#finish(client, session, doing, null);
  }

  #think(client: string, session: number, sequence: number): void {
    this.world.at(this.world.now + this.prng.float() * this.nature.think_ms, () => {
      if (!this.#stopped) this.#begin(client, session, sequence);
    });
  }

  #begin(client: string, session: number, sequence: number): void {
    const { prng, world } = this;
    const doing: Doing = {
      key: (this.nature.readers ? keys[0] : prng.pick(keys)) ?? "a",
      operation: this.#operation(),
      called: world.moment(),
      deadline: world.now + patience_ms,
      session: `${client}.${session}`,
      sequence,
      tries: 0,
      open: false,
      done: false,
    };
    this.#doing.set(doing, [client, session]);
    this.#try(client, session, doing);
  }

  #operation(): RegisterOperation {
    const draw = this.prng.float();
    if (draw < (this.nature.readers ? 0.7 : 0.4)) return { kind: "read" };
    const value = ++this.#value;
    if (draw < (this.nature.readers ? 0.9 : 0.75)) return { kind: "write", value };
    return { kind: "swap", expected: Math.max(0, value - 1 - this.prng.below(6)), value };
  }

  #try(client: string, session: number, doing: Doing): void {
    const { world } = this;
    if (doing.done) return;
    if (world.now >= doing.deadline) {
      this.#finish(client, session, doing, null);
      return;
    }
    const number = ++doing.tries;
    const again = (wait_ms: number): void =>
      world.at(world.now + wait_ms * (0.5 + this.prng.float()), () => {
        if (doing.tries === number) this.#try(client, session, doing);
      });
    const isRead = doing.operation.kind === "read";
    const node = world.someNode(this.nature.readers && isRead && this.prng.chance(0.8));
    if (node === undefined) {
      again(retry_ms);
      return;
    }
    const { key, operation, sequence } = doing;
    if (operation.kind === "read") {
      node.read(key, (answer) => {
        if (answer.kind === "value") this.#finish(client, session, doing, answer.value);
        else again(retry_ms);
      });
    } else {
      const command = encodeCommand({ session: doing.session, sequence, key, operation });
      doing.open = true;
      node.propose(command, (answer) => {
        if (answer.kind === "applied") this.#finish(client, session, doing, answer.outcome);
        else again(retry_ms);
      });
    }
    again(answerWait_ms);
  }

  #finish(client: string, session: number, doing: Doing, output: number | null): void {
    if (doing.done) return;
    doing.done = true;
    this.#doing.delete(doing);
    const { key, operation, called } = doing;
    const answered = output !== null;
    if (answered) this.answered++;
    // An operation without an answer may happen at any time; only what was never sent cannot.
    if (answered || doing.open)
      this.history.push({
        client,
        key,
        operation,
        called,
        returned: answered ? this.world.moment() : Infinity,
        output: operation.kind === "write" ? null : output,
      });
    // A session's numbers are used one after another; with one in the open it is given up.
    if (answered || !doing.open) this.#think(client, session, doing.sequence + 1);
    else this.#think(client, session + 1, 1);
  }
}
