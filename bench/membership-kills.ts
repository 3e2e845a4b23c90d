/** One of thirty processes is killed: until all others call it failed. The kernel closes its sockets, which is a hint. */
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { killed } from "./membership-stories.ts";
import { inRing, listed, ringSize, ringSizeQuick, settled, sideBySide, victim } from "./side-by-side.ts";

/** Serf needs nine seconds for what Caxton does in one. */
const times = { caxton: 10, serf: 3 };

export const bench: Bench = {
  question: "How soon do all others know of a process that was killed, beside serf?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const count = quick ? ringSizeQuick : ringSize;
    const wanted = [{ key: "kill", metric: "kill −9 known to all", unit: "s", p99AtMost: 1.5 }];
    return await sideBySide({ log, quiet }, count, wanted, (make, kind) =>
      inRing(make, count, async (ring) => {
        await settled();
        const kill: number[] = [];
        for (let run = 0; run < (quick ? 1 : times[kind]); run++) {
          kill.push((await killed(ring, count, victim(run, count))) / 1_000);
        }
        log(`${kind}, kill -9: ${listed(kill)} s`);
        return { kill };
      }),
    );
  },
};
