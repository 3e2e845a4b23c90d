/**
 * Vitest's JSON report as far as it is read here, and what becomes of it when some of its files were run once more.
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { repositoryRoot } from "./source-tree.ts";

export interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly {
    readonly status: string;
    readonly fullName: string;
    readonly failureMessages?: readonly string[];
  }[];
}

export interface VitestReport {
  readonly testResults: readonly FileResult[];
  /** Tests that failed beside others and passed alone, in words. */
  readonly flaky?: readonly string[];
  /** Errors outside of all tests. */
  readonly besides?: number;
}

export function readReport(path: string): VitestReport {
  return JSON.parse(readFileSync(path, "utf8")) as VitestReport;
}

/** Names of what failed in a file. One that could not even be run has no tests of its own: it counts as one. */
export function failuresOf({ status, message, assertionResults }: FileResult): readonly string[] {
  const names = assertionResults.filter((test) => test.status === "failed").map((test) => test.fullName);
  return names.length === 0 && status === "failed" ? [message.split("\n")[0] ?? ""] : names;
}

export function countsOf({ testResults }: VitestReport): {
  readonly passed: number;
  readonly failed: number;
} {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  return {
    passed: tests.filter(({ status }) => status === "passed").length,
    failed: testResults.reduce((sum, file) => sum + failuresOf(file).length, 0),
  };
}

/** A history that could not have happened is wrong on any machine: it is never taken for flaky. */
export function breaksPromise({ assertionResults }: FileResult): boolean {
  const texts = assertionResults.flatMap(({ failureMessages = [] }) => failureMessages);
  return texts.some((text) => text.includes('"kind":"violation"'));
}

/** What fails alone counts as failed, whatever it did beside others; what passes alone is told as flaky. */
export function withSecondRun(first: VitestReport, second: VitestReport): VitestReport {
  const again = new Map(second.testResults.map((file) => [file.name, file]));
  const flaky = first.testResults.flatMap((file) => {
    const alone = again.get(file.name);
    if (alone === undefined) return [];
    const still = new Set(failuresOf(alone));
    return failuresOf(file)
      .filter((test) => !still.has(test))
      .map((test) => `flaky: ${pathOf(file)}: ${test}: failed beside others, passed alone`);
  });
  return { testResults: first.testResults.map((file) => again.get(file.name) ?? file), flaky };
}

export function pathOf({ name }: FileResult): string {
  return relative(repositoryRoot, name);
}
