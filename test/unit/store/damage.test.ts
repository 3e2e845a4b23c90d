/** Files of databases with a flipped bit: a refusal in words, never the end of the process. */
import { afterAll, expect, test } from "vitest";
import { ScriptProcesses } from "../../support/script-process.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { thorough } from "../../support/thorough.ts";

const directory = temporaryDirectory("damaged");
const processes = new ScriptProcesses();

afterAll(async () => {
  await processes.end();
  directory.remove();
});

test("a flipped bit anywhere in a store or a control state ends no process", async () => {
  const rounds = thorough ? 100 : 30;
  const script = processes.start("damaged-databases.ts", [directory.path, "3", String(rounds)]);
  const { code, signal } = await script.ended;
  // The last line names the file and the bit of the round in which it ended.
  expect([code, signal, script.lines().at(-1)]).toEqual([0, null, expect.stringMatching(/^refused \d+$/)]);
  const refused = script
    .lines()
    .flatMap((line) => (line.startsWith("refused ") ? [Number(line.slice(8))] : []));
  expect(refused).toHaveLength(2);
  for (const count of refused) expect(count).toBeGreaterThan(0);
}, 120_000);
