/** `caxton cluster verify [--deep --node N]`: is what the nodes hold sound. */
import { parseNodeId } from "../../base/ids.ts";
import type { VerifyAnswer } from "../../api/cluster/state-checks.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";
import type { Output } from "../output.ts";

interface Flags {
  readonly deep: boolean;
  readonly node?: string;
}

export const verify = command<Flags>({
  brief: "Check what the nodes hold",
  examples: ["caxton cluster verify", "caxton cluster verify --deep --node node-2"],
  parameters: {
    flags: {
      deep: { kind: "boolean", default: false, withNegated: false, brief: "Read every row" },
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        optional: true,
        placeholder: "N",
        brief: "Only this node",
      },
    },
  },
  run: async (call, { deep, node }) => {
    const { cluster } = await call.client();
    const answer = await cluster.verify({ deep, ...(node === undefined ? {} : { node }) });
    verifyTable(call.output, answer);
    return answer.ok ? 0 : 1;
  },
});

export function verifyTable(output: Output, answer: VerifyAnswer): void {
  output.table(
    [
      { title: "NODE-ID", cell: (row) => row.node },
      { title: "CHECK", cell: (row) => row.check },
      { title: "RESULT", cell: ({ ok }) => (ok ? "ok" : "FAILED") },
      { title: "DETAIL", cell: (row) => row.detail },
    ],
    answer.checks,
    answer,
  );
}
