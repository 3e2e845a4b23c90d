/**
 * The last step of `.ci/run`: adds up the runners' reports (bun test's JUnit, vitest's JSON) and the
 * steps that failed, names every test that failed, or failed and passed alone, prints `N passed, N failed`, and
 * exits 1 when any failed, a report is missing, or none ran.
 */
import { existsSync, readFileSync } from "node:fs";
import { countsOf, failuresOf, pathOf, readReport } from "./vitest-report.ts";

const [failedSteps, junitPath, vitestPath] = process.argv.slice(2);
let passed = 0;
let failed = Number(failedSteps);

if (junitPath !== undefined && existsSync(junitPath)) {
  const report = readFileSync(junitPath, "utf8");
  const totals = /<testsuites [^>]*/.exec(report)?.[0] ?? "";
  const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(totals)?.[1] ?? 0);
  failed += count("failures");
  passed += count("tests") - count("failures") - count("skipped");
  for (const [, attributes = ""] of report.matchAll(/<testcase ([^>]*[^/])>\s*<failure/g)) {
    const value = (name: string): string => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    console.log(`failed with bun test: ${value("file")}: ${value("classname")} > ${value("name")}`);
  }
} else {
  console.log("bun test left no report");
  failed += 1;
}

if (vitestPath !== undefined && existsSync(vitestPath)) {
  const report = readReport(vitestPath);
  const counts = countsOf(report);
  passed += counts.passed;
  failed += counts.failed + (report.besides ?? 0);
  for (const file of report.testResults)
    for (const test of failuresOf(file)) console.log(`failed with vitest: ${pathOf(file)}: ${test}`);
  for (const line of report.flaky ?? []) console.log(line);
} else {
  console.log("vitest left no report");
  failed += 1;
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
