/** One of thirty processes is stopped, and then four of them for a while: silence without any hint. */
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { silenced, stoppedFor } from "./membership-stories.ts";
import { range } from "./ring.ts";
import { inRing, listed, ringSize, ringSizeQuick, settled, sideBySide, victim } from "./side-by-side.ts";

const times = { caxton: 5, serf: 2 };
const stopped = 4;

export const bench: Bench = {
  question: "How soon do all others know of a silent process, and who else is suspected, beside serf?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const count = quick ? ringSizeQuick : ringSize;
    const stopped_ms = quick ? 1_000 : 16_000;
    const some = range(quick ? 1 : stopped).map((i) => (i * 7 + 2) % count);
    const wanted = [
      { key: "silence", metric: "a silent one known to all", unit: "s", atMost: 3.5 },
      {
        key: "falseFailures",
        metric: `${some.length} stopped for a while: healthy ones called failed`,
        unit: "",
        atMost: 0,
      },
      { key: "rejoin", metric: "they go on: all alive to all", unit: "s", atMost: 1 },
    ];
    return await sideBySide({ log, quiet }, count, wanted, (make, kind) =>
      inRing(make, count, async (ring) => {
        await settled();
        const silence: number[] = [];
        for (let run = 0; run < (quick ? 1 : times[kind]); run++) {
          silence.push((await silenced(ring, count, victim(run + 3, count))) / 1_000);
        }
        log(`${kind}, silent: ${listed(silence)} s`);
        const { falseFailures, rejoined_ms } = await stoppedFor(ring, count, some, stopped_ms);
        return { silence, falseFailures: [falseFailures], rejoin: [rejoined_ms / 1_000] };
      }),
    );
  },
};
