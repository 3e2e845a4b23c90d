/** Opens a data directory, prints its boot epoch or why not, and holds it until it is killed or its input ends. */
import { CaxtonError } from "../../src/base/errors.ts";
import { parseNodeId } from "../../src/base/ids.ts";
import { openDataDirectory } from "../../src/node/identity/data-directory.ts";

const [path, wall] = process.argv.slice(2) as [string, string];
try {
  const initial = { nodeId: parseNodeId("holder"), cluster: "caxton" };
  const held = openDataDirectory(path, {
    nodeId: undefined,
    cluster: undefined,
    initial,
    wall_ms: Number(wall),
  });
  console.log(`held ${held.bootEpoch}`);
  setInterval(() => held.bootEpoch, 60_000);
} catch (thrown) {
  if (!(thrown instanceof CaxtonError)) throw thrown;
  console.log(`refused ${thrown.code}`);
}
