/**
 * `bun run test [filter …]`: every test with vitest on Bun, then one line `N passed, N failed`. Files that failed are
 * run once more, alone: the others took the machine from them, or share their process. What passes then is named as
 * flaky and counts as passed; what fails again has failed.
 * Exits 1 when any failed or none ran. `CAXTON_TEST_REPORT` names a file to keep vitest's JSON in.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "./source-tree.ts";
import {
  breaksPromise,
  countsOf,
  failuresOf,
  pathOf,
  readReport,
  withSecondRun,
  type VitestReport,
} from "./vitest-report.ts";

const folder = mkdtempSync(join(tmpdir(), "caxton-test-report-"));

interface Run {
  readonly report: VitestReport;
  /** What went wrong besides tests: errors outside of them, an end for no reason that the report tells. */
  readonly besides: number;
}

function run(name: string, args: readonly string[]): Run {
  const path = join(folder, `${name}.json`);
  const { status } = spawnSync(process.execPath, ["run", "--bun", "vitest", "run", ...args], {
    cwd: repositoryRoot,
    stdio: "inherit",
    // As nodes run: with fast memories each instance costs time for all that live in the process, of other files, too.
    env: { ...process.env, BUN_JSC_useWasmFastMemory: "0", CAXTON_VITEST_REPORT: path },
  });
  const report = readReport(path);
  const besides = Number(readFileSync(`${path}.unhandled`, "utf8"));
  return { report, besides: status !== 0 && countsOf(report).failed === 0 ? Math.max(besides, 1) : besides };
}

function runAll(): Run {
  const first = run("first", process.argv.slice(2));
  const again = first.report.testResults
    .filter((file) => failuresOf(file).length > 0 && !breaksPromise(file))
    .map(pathOf);
  if (again.length === 0) return first;
  console.log(`\nOnce more, alone: ${again.join(", ")}\n`);
  const second = run("second", ["--no-file-parallelism", ...again]);
  return {
    report: withSecondRun(first.report, second.report),
    besides: first.besides + second.besides,
  };
}

let passed = 0;
let failed = 1;
try {
  const { report, besides } = runAll();
  const counts = countsOf(report);
  [passed, failed] = [counts.passed, counts.failed + besides];
  const kept = process.env["CAXTON_TEST_REPORT"];
  if (kept !== undefined) writeFileSync(kept, JSON.stringify({ ...report, besides }));
  for (const line of report.flaky ?? []) console.log(line);
} catch (error) {
  console.error(`No report of the tests: ${String(error)}`);
}
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
