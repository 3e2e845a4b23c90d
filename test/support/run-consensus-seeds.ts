/**
 * Plays seeds of random consensus worlds with the sources in a tree, until one breaks an invariant: prints which as JSON,
 * or null. `bun test/support/run-consensus-seeds.ts . 1074 1 story` tells what happened before.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { consensusScenarioOf as scenarioOfHere } from "../../src/simulation/consensus/scenario.ts";
import type { runConsensus as runHere } from "../../src/simulation/consensus/world.ts";

interface World {
  readonly runConsensus: typeof runHere;
}

interface Scenarios {
  readonly consensusScenarioOf: typeof scenarioOfHere;
}

const [tree = ".", from = "1", count = "1", telling] = process.argv.slice(2);
const moduleAt = (file: string): string => pathToFileURL(join(tree, "src", "simulation", file)).href;
const { runConsensus } = (await import(moduleAt("consensus/world.ts"))) as World;
const { consensusScenarioOf } = (await import(moduleAt("consensus/scenario.ts"))) as Scenarios;

let found: { readonly seed: number; readonly checker: string; readonly what: string } | null = null;
for (let seed = Number(from); seed < Number(from) + Number(count) && found === null; seed++) {
  const { violation, story } = await runConsensus(consensusScenarioOf(seed), telling === "story");
  for (const line of story) console.log(line);
  if (violation !== null) found = { seed, checker: violation.checker, what: violation.what };
}
console.log(JSON.stringify(found));
