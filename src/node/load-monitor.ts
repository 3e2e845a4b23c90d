/** Measures this node's own load: processor time of all cores, memory of the process and the machine. */
import { readFileSync, statfsSync } from "node:fs";
import { cpus, freemem, totalmem } from "node:os";
import type { NodeLoad } from "../cluster/membership.ts";
import type { Clock, Timer } from "../ports/clock.ts";

/** The first figures, so that a new node does not show nothing. */
const firstAfter_ms = 250;

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

export interface SystemLoad extends Omit<NodeLoad, "agents"> {
  readonly memoryAvailable_bytes: number;
}

export interface LoadMonitorOptions {
  readonly clock: Clock;
  readonly dataDir: string;
  readonly interval_ms: number;
  readonly changed: (load: SystemLoad) => void;
}

export class LoadMonitor {
  readonly #options: LoadMonitorOptions;
  #times: CpuTimes = unlessUnreadable(cpuTimes) ?? { busy: 0, total: 0 };
  #timer: Timer | undefined;
  current: SystemLoad;

  constructor(options: LoadMonitorOptions) {
    this.#options = options;
    this.current = measure(0, options.dataDir, undefined);
    options.changed(this.current);
    this.#schedule(firstAfter_ms);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(delay_ms: number): void {
    const { clock, dataDir, changed, interval_ms } = this.#options;
    this.#timer = clock.after(delay_ms, () => {
      const times = unlessUnreadable(cpuTimes) ?? this.#times;
      const total = times.total - this.#times.total;
      const cpu_percent = total > 0 ? (100 * (times.busy - this.#times.busy)) / total : 0;
      this.#times = times;
      this.current = measure(cpu_percent, dataDir, this.current);
      changed(this.current);
      this.#schedule(interval_ms);
    });
  }
}

function measure(cpu_percent: number, dataDir: string, before: SystemLoad | undefined): SystemLoad {
  const available = availableMemory_bytes();
  const disk_percent = usedDisk_percent(dataDir);
  return {
    ...(disk_percent === undefined ? {} : { disk_percent }),
    cpu_percent: Math.max(0, Math.min(100, cpu_percent)),
    memory_bytes: unlessUnreadable(() => process.memoryUsage.rss()) ?? before?.memory_bytes ?? 0,
    memory_percent: 100 * (1 - available / totalmem()),
    memoryAvailable_bytes: available,
  };
}

/** As `df` has it: of what may be used at all; undefined where the system does not say. */
function usedDisk_percent(path: string): number | undefined {
  return unlessUnreadable(() => {
    const { blocks, bfree, bavail } = statfsSync(path);
    const used = blocks - bfree;
    return used + bavail > 0 ? (100 * used) / (used + bavail) : undefined;
  });
}

/** Undefined where it cannot be read now: these figures are files, and a process may have no descriptor left. */
function unlessUnreadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** What this process may have at most: the machine's memory, or less where a control group says so. */
export function machineMemory_bytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Linux's MemAvailable, which counts reclaimable caches; free memory elsewhere. */
function availableMemory_bytes(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"));
    if (match) return Number(match[1]) * 1024;
  } catch {
    // Not Linux: the figure below is what there is.
  }
  return freemem();
}

function cpuTimes(): CpuTimes {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq;
    total += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { busy, total };
}
