import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScenario } from "../../src/simulation/run.ts";
import { parseScenario } from "../../src/simulation/scenario-file.ts";
import { thorough } from "../support/thorough.ts";

const folder = join(import.meta.dirname, "scenarios");
/** Those that take longest: many nodes, or a long time. */
const long = new Set([
  "attacks",
  "certified",
  "crash-and-restart",
  "cut-as-long-as-suspicion",
  "directory",
  "disk-at-start",
  "expulsion",
  "goodbyes",
  "hidden-seeds",
  "late-joiner",
  "long-pauses",
  "lost-seeds",
  "lossy",
  "messages",
  "missed-removal",
  "naps",
  "one-way-cut",
  "overload",
  "restart-behind-a-cut",
  "returns",
]);

describe("the scenarios hold every invariant", () => {
  for (const file of readdirSync(folder).sort()) {
    test.skipIf(long.has(file.slice(0, -".json".length)) && !thorough)(`${file} holds`, async () => {
      const result = await runScenario(parseScenario(readFileSync(join(folder, file), "utf8"), file));
      expect(result.violation).toBeNull();
    });
  }
});
