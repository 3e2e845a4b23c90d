/** `caxton resources`: what each node uses of its machine. */
import type { ResourcesAnswer } from "../api/resources/resources.ts";
import { formatSize } from "../base/sizes.ts";
import { command } from "./command.ts";
import { percentText } from "./figures.ts";
import type { Column } from "./output.ts";

type Row = ResourcesAnswer["nodes"][number];

export const resources = command({
  brief: "Show what each node uses",
  examples: ["caxton resources", "caxton resources --format wide"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).operations.resources();
    call.output.table(columns, answer.nodes, answer);
  },
});

/** Wide: the file system of the data directory, and bytes between nodes since the node's start. */
const columns: readonly Column<Row>[] = [
  { title: "NODE", cell: ({ node }) => node },
  { title: "CPU", cell: ({ cpu_percent }) => percentText(cpu_percent) },
  { title: "MEMORY", cell: ({ memory_bytes }) => formatSize(memory_bytes) },
  { title: "AGENTS", cell: ({ agents }) => String(agents) },
  { title: "DISK", cell: ({ disk, detail }) => (disk === null ? detail : diskText(disk)), wide: true },
  { title: "SENT", cell: ({ network }) => sizeText(network?.sent_bytes), wide: true },
  { title: "RECEIVED", cell: ({ network }) => sizeText(network?.received_bytes), wide: true },
];

function diskText({ used_bytes, total_bytes }: NonNullable<Row["disk"]>): string {
  return `${formatSize(used_bytes)} of ${formatSize(total_bytes)}`;
}

function sizeText(bytes: number | undefined): string {
  return bytes === undefined ? "-" : formatSize(bytes);
}
