/**
 * `bun run test [filter …]`: every test with vitest on Bun, then one line `N passed, N failed`.
 * Exits 1 when any failed or none ran. `CAXTON_TEST_REPORT` names a file to keep vitest's JSON in.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "caxton-test-report-"));
const report = process.env["CAXTON_TEST_REPORT"] ?? join(folder, "report.json");

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const vitest = spawnSync(
  process.execPath,
  [
    ...["run", "--bun", "vitest", "run", "--reporter=default", "--reporter=json"],
    ...[`--outputFile.json=${report}`, ...process.argv.slice(2)],
  ],
  { cwd: root, stdio: "inherit" },
);
let passed = 0;
let failed = 0;
try {
  const results = JSON.parse(readFileSync(report, "utf8")) as Report;
  passed = results.numPassedTests;
  // A file that could not even be loaded has no tests of its own: count it as one.
  const broken = results.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  failed = results.numFailedTests + broken.length;
} catch (error) {
  console.error(`No report of the tests: ${String(error)}`);
}
if (vitest.status !== 0 && failed === 0) failed = 1;
rmSync(folder, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
