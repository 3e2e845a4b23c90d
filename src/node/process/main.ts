/**
 * The process of a node: reads its configuration, starts it, answers signals and the launcher, ends.
 * Everything that goes wrong at the start is one line on stderr and an exit code.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { configFile_bytes_max } from "../../config/file-limit.ts";
import { loadConfig, type LoadedConfig } from "../../config/load-config.ts";
import { diffForReload } from "../../config/reload-diff.ts";
import { readBoundedText } from "../../platform/node/read-bounded.ts";
import { logger } from "../../telemetry/log.ts";
import { watchLauncher } from "./launcher-channel.ts";
import { openLog, type OpenLog } from "./log-output.ts";
import { readIdentity } from "../identity/data-identity.ts";
import type { RunningNode } from "../node.ts";
import { parseStartArguments, type StartArguments } from "./start-arguments.ts";
import { isStopped, removeStopped, type StoppedPeer, writeStopped } from "../operator/stopped-marker.ts";

/** An orphaned node has this long to close its databases. */
const orphanDeadline_ms = 3_000;
const exitInternal = 1;
/** What the unit file of systemd knows: who was removed is not started again by itself. */
const exitRemoved = 8;
/** For clients of a node that was removed, whose requests are under way. */
const removedDrain_ms = 2_000;

class NodeProcess {
  readonly #launcher = watchLauncher(() => void this.#orphaned());
  #arguments: StartArguments | undefined;
  #loaded: LoadedConfig | undefined;
  #log: OpenLog | undefined;
  #node: RunningNode | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  run(args: readonly string[]): void {
    process.on("SIGTERM", () => void this.#stop(undefined));
    process.on("SIGHUP", () => void this.#reload());
    if (!this.#launcher.watched) process.on("SIGINT", () => void this.#stop(undefined));
    process.on("uncaughtException", (error) => this.#crash(error));
    process.on("unhandledRejection", (reason) => this.#crash(reason));
    this.#starting = this.#start(args).catch((error: unknown) => this.#refuse(error));
  }

  async #start(args: readonly string[]): Promise<void> {
    this.#arguments = parseStartArguments(args);
    this.#loaded = this.#load();
    this.#log = await openLog(this.#loaded.config, this.#loaded.config.node.id ?? "");
    for (const warning of this.#loaded.warnings) logger("config").warn(warning);
    // Before the rest of the program is loaded: who cannot start says so at once, and takes little from those that can.
    readIdentity(this.#loaded.config.node.data_dir);
    this.#node = await (isStopped(this.#marker)
      ? this.#startStopped(this.#loaded)
      : this.#startWhole(this.#loaded));
    const drain_timeout_ms = this.#loaded.config.failover.drain_timeout;
    await this.#launcher.send({ kind: "ready", drain_timeout_ms });
    this.#launcher.leave(() => this.#node?.lastWord() ?? null);
  }

  /** The file that says that operators have stopped this node. */
  get #marker(): string {
    return join(this.#loaded?.config.node.data_dir ?? ".", "stopped.json");
  }

  async #startWhole(loaded: LoadedConfig): Promise<RunningNode> {
    const { startNode } = await import("../node.ts");
    return await startNode(loaded, {
      named: (node) => this.#openLog(node),
      stop: (drain_timeout_ms, handOver) => void this.#stop(drain_timeout_ms, handOver),
      suspend: (others) => this.#change(() => this.#suspend(loaded, others)),
      removed: (source) => void this.#removed(source),
      crash: (error) => this.#crash(error),
    });
  }

  async #startStopped(loaded: LoadedConfig): Promise<RunningNode> {
    const { startStoppedNode } = await import("../operator/stopped-node.ts");
    return await startStoppedNode(loaded, this.#marker, {
      named: (node) => this.#openLog(node),
      start: () => this.#change(() => this.#resume(loaded)),
      stop: () => void this.#stop(0),
    });
  }

  /** From running to stopped by an operator, or back; a stop of the process waits for it. */
  #change(work: () => Promise<void>): void {
    if (this.#stopping !== undefined) return;
    this.#starting = (this.#starting ?? Promise.resolve())
      .then(work)
      .catch((error: unknown) => this.#crash(error));
  }

  async #suspend(loaded: LoadedConfig, others: readonly StoppedPeer[]): Promise<void> {
    writeStopped(this.#marker, others);
    await this.#leaveRole(loaded.config.failover.drain_timeout);
    this.#node = await this.#startStopped(loaded);
  }

  async #resume(loaded: LoadedConfig): Promise<void> {
    removeStopped(this.#marker);
    await this.#leaveRole(0);
    this.#node = await this.#startWhole(loaded);
  }

  /**
   * A new process takes over where a launcher starts one: whatever the engine of a database still holds open ends with
   * the old one. Without a launcher this process goes on.
   */
  async #leaveRole(drain_timeout_ms: number): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    await node?.stop(drain_timeout_ms, false);
    if (!this.#launcher.watched) return;
    await this.#launcher.send({ kind: "again" });
    this.#exit(0);
  }

  #load(): LoadedConfig {
    const { flags, file } = this.#arguments ?? { flags: {}, file: undefined };
    return loadConfig({ flags, file, env: process.env, readFile: readFileOrNull });
  }

  async #openLog(node: string): Promise<void> {
    if (this.#loaded === undefined) return;
    const before = this.#log;
    this.#log = await openLog(this.#loaded.config, node);
    before?.close();
  }

  async #reload(): Promise<void> {
    if (this.#loaded === undefined || this.#node === undefined) return;
    const log = logger("config");
    try {
      const fresh = this.#load();
      const { live, restart } = diffForReload(this.#loaded, fresh);
      for (const warning of fresh.warnings) log.warn(warning);
      if (restart.length > 0) log.warn(`Changed, but needs a restart: ${restart.join(", ")}`);
      this.#loaded = fresh;
      await this.#openLog(this.#node.id);
      this.#node.reload(fresh.config);
      log.info(
        live.length > 0 ? `Reloaded: ${live.join(", ")}` : "Reloaded: nothing changed that applies live",
      );
    } catch (error) {
      log.error(`Reload refused, nothing changed: ${reasonOf(error)}`);
    }
  }

  /** Once: leaves the cluster, finishes requests, closes the databases, exits with 0. */
  #stop(drain_timeout_ms: number | undefined, handOver = false, exit = 0): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#starting;
      const within_ms = drain_timeout_ms ?? this.#loaded?.config.failover.drain_timeout ?? 0;
      await this.#node?.stop(within_ms, handOver);
      this.#exit(exit);
    })().catch((error: unknown) => this.#crash(error));
    return this.#stopping;
  }

  /** Its agents begin anew elsewhere: what is under way here cannot count any more. */
  async #removed(source: string | null): Promise<void> {
    if (this.#stopping !== undefined) return;
    const { cluster } = this.#loaded?.config ?? {};
    logger("node").error(
      `An operator removed this node from cluster "${cluster?.name ?? ""}" (${source === null ? "its log says so" : `told by ${source}`}): it ends with exit ` +
        `${exitRemoved} and is not started again by itself. To have it back as a member, start it again`,
    );
    await this.#launcher.send({ kind: "removed", exit: exitRemoved });
    await this.#stop(removedDrain_ms, false, exitRemoved);
  }

  /** The launcher is gone: nobody would restart this node or stop it, so it ends, its data safe. */
  async #orphaned(): Promise<void> {
    logger("node").error("The launcher has vanished: closing the databases and exiting");
    const deadline = setTimeout(() => process.exit(exitInternal), orphanDeadline_ms);
    await this.#node?.abandon().catch(() => undefined);
    clearTimeout(deadline);
    process.exit(exitInternal);
  }

  async #refuse(error: unknown): Promise<void> {
    if (!(error instanceof CaxtonError)) {
      this.#crash(error);
      return;
    }
    for (const line of error.message.split("\n")) process.stderr.write(`error: ${line}\n`);
    await this.#launcher.send({ kind: "fatal", exit: error.exit });
    this.#exit(error.exit);
  }

  #crash(error: unknown): void {
    const known = error instanceof CaxtonError && error.code !== "internal";
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    tellOfEnd(known ? error.message : `the node failed unexpectedly: ${stack}`);
    process.exit(exitInternal);
  }

  #exit(code: number): void {
    this.#log?.close();
    this.#launcher.close();
    process.exit(code);
  }
}

/** On the descriptor itself: when none is left, \`process.stderr\` cannot be opened any more. */
function tellOfEnd(text: string): void {
  try {
    writeSync(2, `error: ${text}\n`);
  } catch {
    // Nobody reads any more; the exit code says it.
  }
}

function readFileOrNull(path: string): string | null {
  try {
    return readBoundedText(path, configFile_bytes_max);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

new NodeProcess().run(process.argv.slice(2));
