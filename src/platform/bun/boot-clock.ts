/**
 * The machine's boot-time clock. Bun's own clocks begin anew in each thread and stand still while the machine sleeps,
 * so the system is asked (30 ns). Where its library cannot be called, /proc/uptime tells the same in steps of 10 ms.
 */
import { dlopen, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";
import { assert } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { BootClock } from "../../ports/boot-clock.ts";

/** By platform: the C libraries to try, and the number of a clock that counts sleep, too. */
const systems: Readonly<
  Record<string, { readonly libraries: readonly string[]; readonly clock: number } | undefined>
> = {
  linux: { libraries: ["libc.so.6", `libc.musl-${machine()}.so.1`], clock: 7 },
  darwin: { libraries: ["libSystem.B.dylib"], clock: 6 },
};

/** Throws `unavailable` where the system has no such clock. */
export function openBootClock(): BootClock {
  const { libraries, clock } = systems[process.platform] ?? { libraries: [], clock: 0 };
  for (const library of libraries) {
    const found = systemClock(library, clock);
    if (found !== null) return found;
  }
  return uptimeClock();
}

/** Words of struct timespec { int64 tv_sec; int64 tv_nsec }, little endian; and what no clock writes there. */
const nanoseconds = 2;
const unwritten = 0xffff_ffff;

function systemClock(library: string, clock: number): BootClock | null {
  try {
    const { symbols } = dlopen(library, { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
    // A buffer of its own: the memory of a small array without one moves, and the pointer does not.
    const time = new Uint32Array(new ArrayBuffer(16));
    const place = ptr(time);
    if (symbols.clock_gettime(clock, place) !== 0) return null;
    return {
      now_ms() {
        time[nanoseconds] = unwritten;
        symbols.clock_gettime(clock, place);
        // A lease by a clock that stands still would last for ever.
        assert(time[nanoseconds] !== unwritten, "the system writes the time");
        return (
          ((time[0] ?? 0) + (time[1] ?? 0) * 0x1_0000_0000) * 1_000 + (time[nanoseconds] ?? 0) / 1_000_000
        );
      },
    };
  } catch {
    return null;
  }
}

/** A step behind at most: added, so that no lease seems to last longer than it does. */
const uptimeStep_ms = 10;

function uptimeClock(): BootClock {
  const now_ms = (): number => {
    const seconds = Number.parseFloat(readFileSync("/proc/uptime", "latin1"));
    return seconds * 1_000 + uptimeStep_ms;
  };
  try {
    now_ms();
  } catch (error) {
    throw new CaxtonError(
      "unavailable",
      `Cannot read the time since boot, which leases need: ${reasonOf(error)}`,
    );
  }
  return { now_ms };
}

function machine(): string {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}
