/** A reporter for vitest: errors outside of all tests, which its JSON report leaves out, as a number in a file. */
import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

export class UnhandledErrors implements Reporter {
  constructor(private readonly path: string) {}

  onTestRunEnd(_modules: unknown, errors: readonly unknown[]): void {
    writeFileSync(this.path, String(errors.length));
  }
}
