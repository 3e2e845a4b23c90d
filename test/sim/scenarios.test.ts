import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runScenario } from "../../src/simulation/run.ts";
import { parseScenario } from "../../src/simulation/scenario-file.ts";

const folder = join(import.meta.dirname, "scenarios");

describe("the scenarios hold every invariant", () => {
  for (const file of readdirSync(folder).sort()) {
    test(`${file} holds`, async () => {
      const result = await runScenario(parseScenario(readFileSync(join(folder, file), "utf8"), file));
      expect(result.violation).toBeNull();
    });
  }
});
