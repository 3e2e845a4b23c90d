/** Opens a store's file and closes it again, as a tool of an operator might. */
import { openDatabases } from "../../src/platform/node/database.ts";

const [path] = process.argv.slice(2) as [string];
openDatabases().open(path).close();
console.log("visited");
