/**
 * Writes a Raft log as a participant does, entries with now and then a tail that is replaced and a compaction, and prints
 * what is durable after each transaction. To be killed. What it writes follows from the seed and the step alone.
 */
import { openDatabases } from "../../src/platform/node/database.ts";
import { openRaftLog } from "../../src/store/raft-log.ts";
import { raftLogOwner, raftLogStep } from "./raft-log-steps.ts";

const [path, seedText, bootText] = process.argv.slice(2) as [string, string, string];
const seed = Number(seedText);
const log = openRaftLog(openDatabases(), path, raftLogOwner(Number(bootText)));
console.log(`from ${log.hardState.term}`);

for (let step = log.hardState.term; ; step++) {
  raftLogStep(log, seed, step);
  console.log(`durable ${step + 1}`);
}
