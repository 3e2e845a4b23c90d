/** `caxton version`: this program's version, and with a node in reach the node's. */
import { caxtonVersion } from "./caxton-version.ts";
import { command } from "./command.ts";

export const version = command({
  brief: "Print the version of this program",
  examples: ["caxton version"],
  parameters: {},
  run: ({ output }) => {
    const data = {
      version: caxtonVersion,
      bun: process.versions["bun"] ?? null,
      platform: `${process.platform}-${process.arch}`,
    };
    output.lines([`caxton ${data.version} (Bun ${data.bun ?? "-"}, ${data.platform})`], data);
  },
});
