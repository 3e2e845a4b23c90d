/** Appends numbered batches to a store, several at a time, and prints the number of each that was acknowledged. To be killed. */
import { startStoreThread } from "../../src/store/store-thread.ts";
import { numberAgent, numberedBatch, numberIn } from "./numbered-batches.ts";

const [path, seedText] = process.argv.slice(2) as [string, string];
const seed = Number(seedText);
const concurrency = 8;
const { client } = await startStoreThread(path);
let next = numberIn((await client.recoverAgent(numberAgent)).state) + 1;
console.log(`from ${next}`);

for (;;) {
  const waiting: Promise<void>[] = [];
  for (let i = 0; i < concurrency; i++) {
    const number = next++;
    waiting.push(
      client.append(numberedBatch(seed, number)).then(() => console.log(`acknowledged ${number}`)),
    );
  }
  // Reads make it bring the tables up while it writes, so that it is killed there too.
  if (next % 5 === 0) waiting.push(client.recoverAgent(numberAgent).then(() => undefined));
  await Promise.race(waiting);
  if (next % 3 === 0) await Promise.all(waiting);
}
