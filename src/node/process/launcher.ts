/**
 * The parent of a node's process. Starts it with the environment that it needs, passes signals on,
 * starts it again after a crash or a wedge, and ends when it ends on purpose. Holds no state of the
 * node and imports nothing of it, so that it stays small and has no reason to fail itself.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { LastWord } from "./last-word.ts";
import { sayLastWord } from "./last-word.ts";
import { heartbeatInterval_ms } from "./launcher-channel.ts";
import type { ToLauncher } from "./launcher-channel.ts";

export interface LauncherOptions {
  /** The node's entry module and its arguments. */
  readonly entry: string;
  readonly args: readonly string[];
  readonly log: (line: string) => void;
  readonly timings?: Partial<LauncherTimings>;
}

export interface LauncherTimings {
  readonly backoffFirst_ms: number;
  readonly backoffLast_ms: number;
  /**
   * At least this after a start that ended before it was ready: it will hardly go better at once, and a start costs
   * half a second of a processor that what still runs on the machine needs just then.
   */
  readonly afterFailedStart_ms: number;
  /** Ready for this long makes the next crash the first one again. */
  readonly healthyAfter_ms: number;
  /** Between looks at the heartbeat. */
  readonly tick_ms: number;
  /** So many looks without a heartbeat, after ready, mean a wedge. */
  readonly silentTicks_max: number;
  /** A restart that begins within this is not announced as a death. */
  readonly quietRestart_ms: number;
  /** Beyond the node's own drain time-out, after which a stopping node is killed. */
  readonly stopGrace_ms: number;
  /** Signals that follow the first one within this time are the same request: see `#stop`. */
  readonly sameStop_ms: number;
}

const defaultTimings: LauncherTimings = {
  backoffFirst_ms: 50,
  backoffLast_ms: 30_000,
  afterFailedStart_ms: 1_000,
  healthyAfter_ms: 60_000,
  tick_ms: heartbeatInterval_ms,
  silentTicks_max: 10,
  quietRestart_ms: 1_000,
  stopGrace_ms: 10_000,
  sameStop_ms: 1_000,
};

/** Until the node has said its own. */
const drainTimeoutBeforeReady_ms = 30_000;

/** What the node's process must find in its environment before it begins. */
export const nodeEnvironment = {
  // With fast memories, instantiating a module costs time in proportion to the live instances.
  BUN_JSC_useWasmFastMemory: "0",
  // Of the allocator, ms: its thread looks for partly freed pages as often as this, not fourteen times a second. As much
  // memory is given back, and an idle node takes a fifth less processor time.
  MIMALLOC_PURGE_HOLES_MIN_INTERVAL: "2000",
};

/** Runs the node until it ends on purpose; the exit code to end with. Never throws. */
export function runLauncher(options: LauncherOptions): Promise<number> {
  return new Promise((resolve) => new Launcher(options, resolve).begin());
}

class Launcher {
  readonly #timings: LauncherTimings;
  #child: ChildProcess | undefined;
  /** Of the present child. */
  #readyAt_ms: number | undefined;
  #fatalExit: number | undefined;
  #removedExit: number | undefined;
  /** It said that it ends to be started again. */
  #again = false;
  #lastWord: LastWord | undefined;
  #silentTicks = 0;
  /** Of any child so far: a failure to start is final only before the first success. */
  #everReady = false;
  #stopping = false;
  #toldToStopAt_ms = 0;
  #backoff_ms: number;
  #drainTimeout_ms = drainTimeoutBeforeReady_ms;
  #killTimer: ReturnType<typeof setTimeout> | undefined;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;

  readonly #onStop = (): void => this.#stop();
  readonly #onReload = (): void => this.#reload();

  constructor(
    readonly options: LauncherOptions,
    readonly finish: (exit: number) => void,
  ) {
    this.#timings = { ...defaultTimings, ...options.timings };
    this.#backoff_ms = this.#timings.backoffFirst_ms;
  }

  begin(): void {
    process.on("SIGTERM", this.#onStop);
    process.on("SIGINT", this.#onStop);
    process.on("SIGHUP", this.#onReload);
    this.#ticker = setInterval(() => this.#tick(), this.#timings.tick_ms);
    this.#start();
  }

  #start(): void {
    this.#readyAt_ms = undefined;
    this.#fatalExit = undefined;
    this.#again = false;
    this.#silentTicks = 0;
    const child = spawn(process.execPath, [this.options.entry, ...this.options.args], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...process.env, ...nodeEnvironment },
    });
    this.#child = child;
    child.on("message", (message) => this.#receive(message as ToLauncher));
    child.once("error", (error) => this.#ended(`could not be started: ${error.message}`, null));
    child.once("exit", (code, signal) => {
      const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
      // Told to stop before it could listen: that is a stop, too.
      this.#ended(how, signal === "SIGTERM" && this.#stopping ? 0 : code);
    });
  }

  #receive(message: ToLauncher): void {
    switch (message.kind) {
      case "ready":
        this.#readyAt_ms = performance.now();
        this.#everReady = true;
        this.#drainTimeout_ms = message.drain_timeout_ms;
        this.#silentTicks = 0;
        return;
      case "heartbeat":
        this.#silentTicks = 0;
        return;
      case "last-word":
        this.#lastWord = message;
        return;
      case "removed":
        this.#removedExit = message.exit;
        return;
      case "again":
        this.#again = true;
        return;
      case "fatal":
        this.#fatalExit = message.exit;
        return;
    }
  }

  /**
   * Counts its own ticks, not time: after the whole machine was suspended both sides were silent, and
   * the node gets its ten seconds anew.
   */
  #tick(): void {
    if (this.#child === undefined || this.#readyAt_ms === undefined || this.#stopping) return;
    this.#silentTicks += 1;
    if (this.#silentTicks < this.#timings.silentTicks_max) return;
    this.options.log(`The node gave no sign of life for ${this.#silentTicks} s: killing it`);
    this.#silentTicks = 0;
    this.#child.kill("SIGKILL");
  }

  #ended(how: string, code: number | null): void {
    if (this.#child === undefined) return;
    this.#child = undefined;
    clearTimeout(this.#killTimer);
    // Who left in order has said so itself.
    if (code === 0 && this.#again && !this.#stopping) return this.#start();
    if (code === 0) return this.#finish(0);
    if (this.#removedExit !== undefined) return this.#finish(this.#removedExit);
    if (this.#stopping) {
      this.#sayLastWord();
      return this.#finish(code ?? 1);
    }
    if (this.#fatalExit !== undefined && !this.#everReady) return this.#finish(this.#fatalExit);
    // It was to come back and did not: nobody should wait for it any longer.
    const failedStart = this.#readyAt_ms === undefined;
    const failedToComeBack = this.#everReady && failedStart;
    const healthyFor_ms = this.#readyAt_ms === undefined ? 0 : performance.now() - this.#readyAt_ms;
    if (healthyFor_ms >= this.#timings.healthyAfter_ms) this.#backoff_ms = this.#timings.backoffFirst_ms;
    if (failedStart) this.#backoff_ms = Math.max(this.#backoff_ms, this.#timings.afterFailedStart_ms);
    const delay_ms = this.#backoff_ms;
    this.#backoff_ms = Math.min(delay_ms * 2, this.#timings.backoffLast_ms);
    // After a single crash the node is back, in a new life, before anybody needs to know of the old one's end.
    if (failedToComeBack || delay_ms > this.#timings.quietRestart_ms) this.#sayLastWord();
    this.options.log(`The node ${how}: starting it again in ${delay_ms} ms`);
    this.#restartTimer = setTimeout(() => this.#start(), delay_ms);
  }

  /** The process has been waited for: it is gone for certain. */
  #sayLastWord(): void {
    if (this.#lastWord !== undefined) sayLastWord(this.#lastWord);
    this.#lastWord = undefined;
  }

  /**
   * The first time asks the node to leave; the second ends it at once. One wish often comes as two
   * signals: the terminal's, and the same passed on by `bun run`, `timeout` or an init.
   */
  #stop(): void {
    if (this.#stopping) {
      if (performance.now() - this.#toldToStopAt_ms < this.#timings.sameStop_ms) return;
      this.options.log("Told to stop a second time: killing the node");
      this.#child?.kill("SIGKILL");
      return;
    }
    this.#stopping = true;
    this.#toldToStopAt_ms = performance.now();
    if (this.#child === undefined) return this.#finish(0);
    this.#child.kill("SIGTERM");
    const deadline_ms = this.#drainTimeout_ms + this.#timings.stopGrace_ms;
    this.#killTimer = setTimeout(() => {
      this.options.log(`The node did not stop within ${deadline_ms} ms: killing it`);
      this.#child?.kill("SIGKILL");
    }, deadline_ms);
  }

  /** A hang-up asks for a reload, unless it is a terminal that went away. */
  #reload(): void {
    if (process.stdin.isTTY) this.#stop();
    else this.#child?.kill("SIGHUP");
  }

  #finish(exit: number): void {
    clearTimeout(this.#restartTimer);
    clearInterval(this.#ticker);
    process.off("SIGTERM", this.#onStop);
    process.off("SIGINT", this.#onStop);
    process.off("SIGHUP", this.#onReload);
    this.finish(exit);
  }
}
