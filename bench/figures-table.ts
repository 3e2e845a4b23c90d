/** The table of `README.md`, made from the results beside it, so that it says what was measured and nothing else. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import { type Figure, shown, type Summary } from "./measurement.ts";

export interface Result {
  readonly name: string;
  readonly question: string;
  readonly command: string;
  readonly machine: Machine;
  readonly busy_percent: number;
  readonly figures: readonly (Figure & Summary & { readonly met: boolean | null })[];
}

const begin = "<!-- figures: written by bench/run.ts -->";
const end = "<!-- end of figures -->";

/** Writes the figures of all benchmarks that have results, in the order of `names`. */
export function writeFigures(folder: string, names: readonly string[]): void {
  const path = join(folder, "README.md");
  const text = readFileSync(path, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has no place for the figures: ${begin}`);
  const tables = names.flatMap((name) => {
    const file = join(folder, "results", `${name}.json`);
    return existsSync(file) ? [tableOfResult(JSON.parse(readFileSync(file, "utf8")) as Result)] : [];
  });
  writeFileSync(path, `${text.slice(0, from)}${begin}\n\n${tables.join("\n\n")}\n\n${text.slice(to)}`);
}

function tableOfResult({ name, machine, busy_percent, figures }: Result): string {
  const { cpu, cores, bun, commit, date, loadBefore } = machine;
  const where = `${date.slice(0, 10)}, commit ${commit}, Bun ${bun}, ${cpu}, ${cores} cores`;
  const rows = figures.map(({ metric, unit, target, median, min, max, runs, met }) => {
    const goal =
      target === undefined ? "" : `${target.at === "most" ? "≤" : "≥"} ${shown(target.value)} ${unit}`;
    const measured = `${shown(median)} ${unit}`;
    const range = runs.length > 1 ? `${shown(min)} … ${shown(max)}` : "";
    return `| ${metric} | ${goal} | ${met === false ? `**${measured}, missed**` : measured} | ${range} |`;
  });
  const head = `**\`bun run bench ${name}\`** — ${where}; load ${loadBefore.toFixed(1)} before, cores ${busy_percent.toFixed(0)} % busy`;
  return [head, "", "| | target | median | range |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
