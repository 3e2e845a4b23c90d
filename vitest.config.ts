import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";
import { testLimit_ms } from "./test/support/patience.ts";
import { UnhandledErrors } from "./test/support/unhandled-errors.ts";

/** Of `test/support/run-tests.ts`: where it wants its reports. */
const report = process.env["CAXTON_VITEST_REPORT"];
const onBun = process.versions["bun"] !== undefined;

/** Bun and Deno import SQL as text by themselves; where the bundler runs the code it has to be told. */
const sqlAsText = {
  name: "sql-as-text",
  enforce: "pre" as const,
  load: (id: string) =>
    id.endsWith(".sql") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : null,
};

export default defineConfig({
  plugins: [sqlAsText],
  test: {
    include: ["test/{unit,ports,scenario,sim,e2e}/**/*.test.ts"],
    // Threads are what works on Bun; processes elsewhere.
    pool: onBun ? "threads" : "forks",
    // As `bun test` runs them: loading all modules anew costs each file a quarter of a second of processor time.
    isolate: false,
    // Bun imports everything here by itself; the bundler's way costs several times the processor time, in each thread.
    ...(onBun && { experimental: { viteModuleRunner: false, nodeLoader: false } }),
    // Two cores, and tests of real processes that mostly wait.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    ...(report !== undefined && {
      reporters: ["default", ["json", { outputFile: report }], new UnhandledErrors(`${report}.unhandled`)],
    }),
    setupFiles: ["test/support/property-seed.ts"],
    testTimeout: testLimit_ms,
    hookTimeout: testLimit_ms,
  },
});
