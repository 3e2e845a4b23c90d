/** A reporter for vitest: errors outside of all tests, which its JSON report leaves out, as a number in a file. */
import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

export default class UnhandledErrors implements Reporter {
  onTestRunEnd(_modules: unknown, errors: readonly unknown[]): void {
    const path = process.env["CAXTON_TEST_UNHANDLED"];
    if (path !== undefined) writeFileSync(path, String(errors.length));
  }
}
