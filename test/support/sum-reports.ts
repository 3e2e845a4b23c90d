/**
 * The last step of `.ci/run`: adds up the runners' reports (bun test's JUnit, vitest's JSON) and the
 * steps that failed, names every test that failed once more, prints `N passed, N failed`, and exits 1
 * when any failed, a report is missing, or none ran.
 */
import { existsSync, readFileSync } from "node:fs";

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

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
  const report = JSON.parse(readFileSync(vitestPath, "utf8")) as VitestReport;
  failed += report.numFailedTests;
  passed += report.numPassedTests;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const names = assertionResults.filter((test) => test.status === "failed").map((test) => test.fullName);
    // A file that could not be run has no tests that failed.
    if (names.length === 0 && status === "failed") names.push(message);
    for (const test of names) console.log(`failed with vitest: ${name}: ${test}`);
  }
} else {
  console.log("vitest left no report");
  failed += 1;
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
