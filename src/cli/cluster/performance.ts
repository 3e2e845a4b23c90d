/** `caxton cluster performance`: what was measured on this cluster beside what it should be. */
import { command } from "../command.ts";

export const performance = command({
  brief: "Show measured figures beside their targets",
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.performance();
    call.output.table(
      [
        { title: "METRIC", cell: ({ metric }) => metric },
        { title: "TARGET", cell: ({ target }) => target },
        { title: "ACTUAL", cell: ({ actual }) => actual ?? "-" },
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
