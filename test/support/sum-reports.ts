/**
 * The last step of `.ci/run`: adds up the runners' reports (bun test's JUnit, vitest's JSON) and the
 * steps that failed, prints `N passed, N failed`, and exits 1 when any failed, a report is missing, or none ran.
 */
import { existsSync, readFileSync } from "node:fs";

const [failedSteps, junitPath, vitestPath] = process.argv.slice(2);
let passed = 0;
let failed = Number(failedSteps);

if (junitPath !== undefined && existsSync(junitPath)) {
  const totals = /<testsuites [^>]*/.exec(readFileSync(junitPath, "utf8"))?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0);
  failed += count("failures");
  passed += count("tests") - count("failures") - count("skipped");
} else {
  console.log("bun test left no report");
  failed += 1;
}

if (vitestPath !== undefined && existsSync(vitestPath)) {
  const report = JSON.parse(readFileSync(vitestPath, "utf8")) as Record<string, number>;
  failed += report["numFailedTests"] ?? 0;
  passed += report["numPassedTests"] ?? 0;
} else {
  console.log("vitest left no report");
  failed += 1;
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
