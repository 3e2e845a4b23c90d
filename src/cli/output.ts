/** What a command prints: a table or lines for people, or JSON for programs. Nothing is coloured in a pipe. */
import { renderTable } from "./table.ts";

export const formats = ["table", "json", "wide"] as const;
export type Format = (typeof formats)[number];

export interface Writer {
  readonly write: (text: string | Uint8Array) => unknown;
  readonly isTTY?: boolean;
}

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  /** Only with `--format wide`. */
  readonly wide?: boolean;
  /** With `--format wide` in place of `cell`, which is shorter. */
  readonly whole?: (row: T) => string;
}

export class Output {
  constructor(
    readonly format: Format,
    readonly stdout: Writer,
    readonly stderr: Writer,
  ) {}

  /** The rows as a table, or with `--format json` `data` as it came. */
  table<T>(columns: readonly Column<T>[], rows: readonly T[], data: unknown): void {
    if (this.format === "json") return this.json(data);
    const shown = columns.filter(({ wide }) => wide !== true || this.format === "wide");
    const isWide = this.format === "wide";
    const cells = rows.map((row) => shown.map(({ cell, whole }) => ((isWide && whole) || cell)(row)));
    this.line(
      renderTable(
        shown.map(({ title }) => title),
        cells,
      ),
    );
  }

  /** Lines for people, or with `--format json` the data. */
  lines(lines: readonly string[], data: unknown): void {
    if (this.format === "json") this.json(data);
    else for (const line of lines) this.line(line);
  }

  json(data: unknown): void {
    this.line(JSON.stringify(data, null, 2));
  }

  line(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  /** For what is not the answer: a notice on standard error. */
  notice(text: string): void {
    this.stderr.write(`${text}\n`);
  }
}
