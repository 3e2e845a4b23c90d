/** Prints the hash of one small run: the same on every runtime. */
import { readFileSync } from "node:fs";
import { runScenario } from "../../src/simulation/run.ts";
import { parseScenario } from "../../src/simulation/scenario-file.ts";

const file = process.argv[2] ?? "";
const { hash } = await runScenario(parseScenario(readFileSync(file, "utf8"), file));
console.log(hash);
