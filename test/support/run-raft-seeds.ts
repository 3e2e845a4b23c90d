/**
 * Plays seeds of random Raft worlds with the sources in a tree, until one breaks an invariant: prints which as JSON, or
 * null. `bun test/support/run-raft-seeds.ts . 1074 1 story` tells what happened before.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { raftScenarioOf as raftScenarioHere } from "../../src/simulation/raft/scenario.ts";
import type { runRaft as runRaftHere } from "../../src/simulation/raft/world.ts";

interface World {
  readonly runRaft: typeof runRaftHere;
}

interface Scenarios {
  readonly raftScenarioOf: typeof raftScenarioHere;
}

const [tree = ".", from = "1", count = "1", telling] = process.argv.slice(2);
const moduleAt = (file: string): string => pathToFileURL(join(tree, "src", "simulation", file)).href;
const { runRaft } = (await import(moduleAt("raft/world.ts"))) as World;
const { raftScenarioOf } = (await import(moduleAt("raft/scenario.ts"))) as Scenarios;

let found: { readonly seed: number; readonly checker: string; readonly what: string } | null = null;
for (let seed = Number(from); seed < Number(from) + Number(count) && found === null; seed++) {
  const { violation, story } = runRaft(raftScenarioOf(seed), telling === "story");
  for (const line of story) console.log(line);
  if (violation !== null) found = { seed, checker: violation.checker, what: violation.what };
}
console.log(JSON.stringify(found));
