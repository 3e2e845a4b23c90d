/** `caxton cluster performance`: what was measured on this cluster beside what it should be. */
import { command } from "../command.ts";
import { latencyText } from "../figures.ts";

export const performance = command({
  brief: "Show measured figures beside their targets",
  examples: ["caxton cluster performance"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.performance();
    call.output.table(
      [
        { title: "METRIC", cell: ({ metric }) => metric },
        { title: "TARGET", cell: ({ target_ms }) => latencyText(target_ms) },
        { title: "ACTUAL", cell: ({ actual_ms }) => latencyText(actual_ms) },
        { title: "STATUS", cell: ({ ok }) => statusText(ok) },
      ],
      answer.rows,
      answer,
    );
  },
});

/** The documents' own signs; what was not measured yet is neither. */
export function statusText(ok: boolean | null): string {
  if (ok === null) return "not measured";
  return ok ? "✓" : "✗ DEGRADED";
}
