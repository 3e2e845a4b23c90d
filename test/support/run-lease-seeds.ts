/**
 * Plays seeds of worlds of leases with the sources in a tree, until one breaks an invariant: prints which as JSON, or
 * null. `bun test/support/run-lease-seeds.ts . 1 10`.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { runLeases as runLeasesHere } from "../../src/simulation/leases/world.ts";

const [tree = ".", from = "1", count = "1"] = process.argv.slice(2);
const { runLeases } = (await import(pathToFileURL(join(tree, "src/simulation/leases/world.ts")).href)) as {
  readonly runLeases: typeof runLeasesHere;
};

let found: { readonly seed: number; readonly checker: string; readonly what: string } | null = null;
for (let seed = Number(from); seed < Number(from) + Number(count) && found === null; seed++) {
  const { violation } = await runLeases(seed);
  if (violation !== null) found = { seed, checker: violation.checker, what: violation.what };
}
console.log(JSON.stringify(found));
