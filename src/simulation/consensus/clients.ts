/**
 * Clients of a simulated consensus world, through the node's own key-value store and locks. One thing at a time each;
 * what nobody answers is tried again at another node, under its idempotency key. They note when they asked
 * and what they were told. A key is a register, a lock is one, too: free, or held by one acquisition.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { Prng } from "../../base/prng.ts";
import type { KvCondition } from "../../wire/control-kv.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import type { ConsensusNode } from "./node.ts";
import type { ConsensusProcess } from "./process.ts";
import type { HistoryEntry, RegisterOperation } from "../linearizability.ts";
import { RaftViolation } from "../raft/checkers.ts";

export interface ClientsWorld {
  readonly now: number;
  at(time_ms: number, work: () => void): void;
  someNode(): ConsensusNode | undefined;
  /** Counts up at each call: the order of all calls and returns. */
  moment(): number;
  /** Promises were settled: they go on before the next event. */
  woken(): void;
  broken(violation: RaftViolation): void;
}

interface Attempt {
  readonly key: string;
  readonly operation: RegisterOperation;
  /** Null: it may be sent once only. */
  readonly idempotencyKey: string | null;
  readonly work: (process: ConsensusProcess, idempotencyKey: string | null) => Promise<number | null>;
}

type Told =
  /** Null of what has no output. */
  { readonly kind: "done"; readonly output: number | null } | { readonly kind: "nothing" | "unknown" };

const keys = ["a", "b", "c"];
const patience_ms = 1_200;
/** For one answer, at least and so much more at most. */
const answerWait_ms = [200, 700] as const;
const retry_ms = 30;
const hour_ms = 3_600_000;
/** Codes under which certainly nothing was done. */
const undone = new Set(["no_quorum", "unavailable", "too_many_requests", "queue_full"]);

export class ConsensusClients {
  readonly history: HistoryEntry[] = [];
  answered = 0;
  #stopped = false;
  #value = 0;
  #highestToken = 0;
  /** The version under which a value was written, of those that were told. */
  readonly #versions = new Map<number, number>();
  readonly #lastSeen = new Map<string, number>();
  readonly #open = new Set<() => void>();

  constructor(
    private readonly world: ClientsWorld,
    private readonly prng: Prng,
    private readonly nature: { readonly clients: number; readonly think_ms: number },
  ) {
    for (let i = 1; i <= nature.clients; i++) this.#start(`c${i}`);
  }

  /** No new operations, and what is under way nobody waits for any more. */
  stop(): void {
    this.#stopped = true;
    for (const giveUp of this.#open) giveUp();
  }

  #start(client: string): void {
    this.#live(client).catch((thrown: unknown) => {
      const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : "";
      this.world.broken(thrown instanceof RaftViolation ? thrown : new RaftViolation("no-throw", what));
    });
  }

  async #live(client: string): Promise<void> {
    while (!this.#stopped) {
      await this.#sleep(this.prng.float() * this.nature.think_ms);
      if (this.#stopped) return;
      const draw = this.prng.float();
      if (draw < 0.35) await this.#read(client);
      else if (draw < 0.85) await this.#write(client);
      else await this.#lock(client);
    }
  }

  async #read(client: string): Promise<void> {
    const key = this.prng.pick(keys) ?? "a";
    const deadline = this.world.now + patience_ms;
    while (!this.#stopped && this.world.now < deadline) {
      const called = this.world.moment();
      const told = await this.#tried(async ({ kv }) => {
        const { found } = await kv.get(key, "linearizable");
        if (found === null) return 0;
        const value = Number(decodeUtf8(found.value));
        this.#versions.set(value, found.version);
        return value;
      });
      if (told.kind === "done") {
        const output = told.output ?? 0;
        this.#lastSeen.set(key, output);
        this.#note({ client, key, operation: { kind: "read" }, called, output });
        return;
      }
      await this.#sleep(retry_ms * (0.5 + this.prng.float()));
    }
  }

  async #write(client: string): Promise<void> {
    const key = this.prng.pick(keys) ?? "a";
    const value = ++this.#value;
    const draw = this.prng.float();
    if (draw < 0.45) await this.#put(client, key, value, "any", { kind: "write", value });
    else if (draw < 0.6) await this.#delete(client, key);
    else {
      const expected = this.#lastSeen.get(key) ?? 0;
      const condition = expected === 0 ? "absent" : this.#versions.get(expected);
      if (condition === undefined) return;
      await this.#put(client, key, value, condition, { kind: "swap", expected, value });
    }
  }

  async #put(
    client: string,
    key: string,
    value: number,
    condition: KvCondition,
    operation: RegisterOperation,
  ): Promise<void> {
    const put = { key, value: encodeUtf8(String(value)), mediaType: "text/plain", condition, fence: null };
    const told = await this.#operate(client, {
      key,
      operation,
      idempotencyKey: this.#maybeKey(client),
      work: async ({ kv }, idempotencyKey) => {
        try {
          const { version } = await kv.put(put, { principal: client, idempotencyKey });
          this.#versions.set(value, version);
          return operation.kind === "swap" ? 1 : null;
        } catch (thrown) {
          if (operation.kind === "swap" && isCode(thrown, "precondition_failed")) return 0;
          throw thrown;
        }
      },
    });
    if (told.kind === "done" && told.output !== 0) this.#lastSeen.set(key, value);
  }

  async #delete(client: string, key: string): Promise<void> {
    const told = await this.#operate(client, {
      key,
      operation: { kind: "write", value: 0 },
      idempotencyKey: this.#maybeKey(client),
      work: async ({ kv }, idempotencyKey) => {
        try {
          await kv.delete({ key, condition: "any", fence: null }, { principal: client, idempotencyKey });
        } catch (thrown) {
          if (!isCode(thrown, "not_found")) throw thrown;
        }
        return null;
      },
    });
    if (told.kind === "done") this.#lastSeen.set(key, 0);
  }

  /** Acquires, writes under its fence, releases, and finds the fence closed. */
  async #lock(client: string): Promise<void> {
    const name = `lock-${client}-${this.prng.below(2)}`;
    const other = `lock-${this.prng.below(2)}`;
    const lock = this.prng.chance(0.7) ? other : name;
    const id = ++this.#value;
    let token = 0;
    const before = this.#highestToken;
    const acquire = { name: lock, holder: "", ttl_ms: hour_ms, token: 0 };
    const told = await this.#operate(client, {
      key: lock,
      operation: { kind: "swap", expected: 0, value: id },
      idempotencyKey: this.#key(client),
      work: async ({ locks }, idempotencyKey) => {
        try {
          ({ token } = await locks.acquire(acquire, { principal: client, idempotencyKey }));
          return 1;
        } catch (thrown) {
          if (isCode(thrown, "conflict")) return 0;
          throw thrown;
        }
      },
    });
    if (told.kind !== "done" || told.output !== 1) return;
    if (token <= before)
      throw new RaftViolation("fencing", `${lock} was given under ${token}, after ${before}`);
    this.#highestToken = Math.max(this.#highestToken, token);
    await this.#fenced(client, lock, token, true);
    const released = await this.#operate(client, {
      key: lock,
      operation: { kind: "swap", expected: id, value: 0 },
      idempotencyKey: this.#key(client),
      work: async ({ locks }, idempotencyKey) => {
        try {
          await locks.release({ name: lock, token }, { principal: client, idempotencyKey });
          return 1;
        } catch (thrown) {
          if (isCode(thrown, "conflict") || isCode(thrown, "not_found")) return 0;
          throw thrown;
        }
      },
    });
    if (released.kind === "done") await this.#fenced(client, lock, token, false);
  }

  async #fenced(client: string, lock: string, token: number, held: boolean): Promise<void> {
    const asker = { principal: client, idempotencyKey: null };
    const put = { key: `f-${client}`, value: encodeUtf8("1"), mediaType: "", condition: "any" } as const;
    const told = await this.#tried(async ({ kv }) => {
      try {
        await kv.put({ ...put, fence: { lock, token } }, asker);
        return 1;
      } catch (thrown) {
        if (isCode(thrown, "precondition_failed")) return 0;
        throw thrown;
      }
    });
    if (told.kind === "done" && (told.output === 1) !== held) {
      const what = held
        ? "refused a write under the lock that is held"
        : "took a write under a released lock";
      throw new RaftViolation("fencing", `${lock}, token ${token}: ${what}`);
    }
  }

  /** Tries until it is answered, or nobody can wait any longer; then it may happen at any time. */
  async #operate(client: string, attempt: Attempt): Promise<Told> {
    const { key, operation, idempotencyKey, work } = attempt;
    const called = this.world.moment();
    const deadline = this.world.now + patience_ms;
    let open = false;
    let told: Told = { kind: "nothing" };
    while (!this.#stopped && this.world.now < deadline) {
      told = await this.#tried((process) => work(process, idempotencyKey));
      if (told.kind === "done") {
        this.#note({ client, key, operation, called, output: told.output });
        return told;
      }
      open ||= told.kind === "unknown";
      if (open && idempotencyKey === null) break;
      await this.#sleep(retry_ms * (0.5 + this.prng.float()));
    }
    if (open) this.history.push({ client, key, operation, called, returned: Infinity, output: null });
    return { kind: open ? "unknown" : "nothing" };
  }

  async #tried(work: (process: ConsensusProcess) => Promise<number | null>): Promise<Told> {
    const process = this.world.someNode()?.process ?? null;
    if (process === null) return { kind: "nothing" };
    return await new Promise<Told>((resolve, reject) => {
      const giveUp = (): void => {
        if (!this.#open.delete(giveUp)) return;
        forget();
        this.world.woken();
        resolve({ kind: "unknown" });
      };
      const forget = process.onEnd(giveUp);
      this.#open.add(giveUp);
      const [least_ms, more_ms] = answerWait_ms;
      this.world.at(this.world.now + least_ms + this.prng.float() * more_ms, giveUp);
      const ends = (): boolean => {
        forget();
        return this.#open.delete(giveUp);
      };
      work(process).then(
        (output) => void (ends() && resolve({ kind: "done", output })),
        (thrown: unknown) => {
          if (!ends()) return;
          const code = thrown instanceof CaxtonError ? thrown.code : "";
          // A disk that fails under a question says nothing of what others have of it.
          if (code === "outcome_unknown" || code === "storage_failed") resolve({ kind: "unknown" });
          else if (undone.has(code)) resolve({ kind: "nothing" });
          else reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        },
      );
    });
  }

  #note(entry: Omit<HistoryEntry, "returned">): void {
    this.answered++;
    this.history.push({ ...entry, returned: this.world.moment() });
  }

  /** Half of the writes can be sent again anywhere; the others only by their node, in its session. */
  #maybeKey(client: string): string | null {
    return this.prng.chance(0.5) ? this.#key(client) : null;
  }

  #key(client: string): string {
    return `${client}-${++this.#value}`;
  }

  #sleep(duration_ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.world.at(this.world.now + duration_ms, () => {
        this.world.woken();
        resolve();
      });
    });
  }
}

function isCode(thrown: unknown, code: string): boolean {
  return thrown instanceof CaxtonError && thrown.code === code;
}
