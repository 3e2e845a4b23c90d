/** `bun run layers`: prints each violation of the folders' order; exits 1 when there is one or nothing was read. */
import { checkLayers } from "./layers.ts";
import { readSourceTree } from "./source-tree.ts";

const { modules, violations } = checkLayers(readSourceTree());
for (const violation of violations) console.error(violation);
console.log(`${modules} modules, ${violations.length} violations of the layer order`);
process.exitCode = modules > 0 && violations.length === 0 ? 0 : 1;
