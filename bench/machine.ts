/** Where and on what a benchmark ran. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** Busy for less than this share of this long: a quiet moment. */
const quietShare = 0.15;
const quietFor_ms = 1_000;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly kernel: string;
  readonly bun: string;
  /** Of the checkout; with `+` when tracked files differ from it. */
  readonly commit: string;
  readonly date: string;
  /** Of the minute before: more than nearly nothing means that others used the machine, too. */
  readonly loadBefore: number;
}

export function thisMachine(): Machine {
  return {
    cpu: cpuModel(),
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    kernel: release(),
    bun: Bun.version,
    commit: commitOf(),
    date: new Date().toISOString(),
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** The kernel's time of all cores in ms since it started. */
export function processorTimes(): { readonly busy_ms: number; readonly total_ms: number } {
  let idle_ms = 0;
  let total_ms = 0;
  for (const { times } of cpus()) {
    idle_ms += times.idle;
    total_ms += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { busy_ms: total_ms - idle_ms, total_ms };
}

/** Waits until the machine has been nearly idle for a moment, so that others' work is not measured; at most `limit_ms`. */
export async function quietMoment(limit_ms: number): Promise<void> {
  const end_ms = performance.now() + limit_ms;
  while (performance.now() < end_ms) {
    const before = processorTimes();
    await Bun.sleep(quietFor_ms);
    const after = processorTimes();
    if (after.busy_ms - before.busy_ms < quietShare * (after.total_ms - before.total_ms)) return;
  }
}

/** Resident memory of a process in bytes, from the kernel. */
export function residentMemory_bytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1_024;
}

function cpuModel(): string {
  return cpus()[0]?.model.trim() ?? "unknown";
}

function commitOf(): string {
  const git = (...args: string[]): string => {
    const { status, stdout } = spawnSync("git", args, { cwd: import.meta.dir, encoding: "utf8" });
    return status === 0 ? stdout.trim() : "";
  };
  const commit = git("rev-parse", "--short=12", "HEAD");
  if (commit === "") return "unknown";
  return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}+`;
}
