/**
 * A ring of gossiping processes on loopback as `membership.ts` sees it, whoever makes them: Caxton's or serf's.
 * All times are wall times of this machine in ms.
 */
export interface Ring {
  readonly name: string;
  /** Starts all processes, each alone. */
  start(): Promise<void>;
  /** Tells all but the first, at once, to join the first. */
  join(): Promise<void>;
  /** What `observer` thinks of `subject`: alive, failed, something else, or undefined while unknown. */
  status(observer: number, subject: number): string | undefined;
  /** When `observer` came to think so. */
  since_ms(observer: number, subject: number): number;
  /** Calls back at each change of a status, until the function it gives is called. */
  watch(listener: (change: Change) => void): () => void;
  /** SIGKILL, and nothing tells the others. */
  kill(node: number): void;
  /** Starts a killed one again, with the address it had, and lets it join. */
  revive(node: number): Promise<void>;
  signal(node: number, signal: "SIGSTOP" | "SIGCONT"): void;
  /** Something that all should hear; when each of them did. */
  event(from: number): Promise<readonly number[]>;
  /** The processes. */
  pids(): readonly number[];
  dispose(): Promise<void>;
}

export interface Change {
  readonly observer: number;
  readonly subject: number;
  readonly status: string;
  readonly at_ms: number;
}

const patience_ms = 120_000;
const look_ms = 5;

/** When the last of `observers` came to think so of all `subjects`. Throws when they do not in two minutes. */
export async function untilAllThink(
  ring: Ring,
  observers: readonly number[],
  subjects: readonly number[],
  status: string,
): Promise<number> {
  const end_ms = performance.now() + patience_ms;
  for (;;) {
    let latest_ms = 0;
    let missing: readonly [number, number] | null = null;
    for (const observer of observers) {
      for (const subject of subjects) {
        if (observer === subject) continue;
        if (ring.status(observer, subject) === status)
          latest_ms = Math.max(latest_ms, ring.since_ms(observer, subject));
        else missing = [observer, subject];
      }
    }
    if (missing === null) return latest_ms;
    if (performance.now() > end_ms) {
      const [observer, subject] = missing;
      const seen = ring.status(observer, subject) ?? "unknown";
      throw new Error(`${ring.name}: node ${observer} thinks ${subject} ${seen}, not ${status}`);
    }
    await Bun.sleep(look_ms);
  }
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export function others(count: number, ...without: readonly number[]): number[] {
  return range(count).filter((i) => !without.includes(i));
}
