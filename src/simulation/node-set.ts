/**
 * Sets of nodes in words: `n3`, `n1-n9`, `region:tokyo`, `all`, joined by commas. What a scenario says and
 * a person reads.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { type Geography, regionOf } from "./regions.ts";

/** Indices in ascending order. Refuses nodes and regions that are not there. */
export function parseNodeSet(text: string, nodes: number, geography: Geography): number[] {
  const found = new Set<number>();
  for (const part of text.split(","))
    for (const node of parsePart(part.trim(), text, nodes, geography)) found.add(node);
  return [...found].sort((a, b) => a - b);
}

function parsePart(part: string, whole: string, nodes: number, geography: Geography): number[] {
  const all = Array.from({ length: nodes }, (_, node) => node);
  if (part === "all") return all;
  const region = /^region:(.+)$/.exec(part)?.[1];
  if (region !== undefined) {
    const index = geography.names.indexOf(region);
    if (index >= 0) return all.filter((node) => regionOf(geography, node, nodes) === index);
    throw new CaxtonError(
      "invalid_argument",
      `There is no region ${quote(region)}: ${geography.names.join(", ")}`,
    );
  }
  const range = /^n(\d+)(?:-n(\d+))?$/.exec(part);
  if (!range) {
    throw new CaxtonError("invalid_argument", `${quote(whole)} is not like n3, n1-n9, region:tokyo or all`);
  }
  const [first, last] = [Number(range[1]), Number(range[2] ?? range[1])];
  if (first < 1 || last > nodes || first > last) {
    throw new CaxtonError("invalid_argument", `${quote(part)} is not within n1 to n${nodes}`);
  }
  return all.slice(first - 1, last);
}

/** The set in words, exact and short: what `parseNodeSet` reads back. */
export function formatNodeSet(nodes: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < nodes.length;) {
    const first = nodes[at] as number;
    let end = at + 1;
    while (nodes[end] === first + end - at) end++;
    parts.push(end - at === 1 ? nodeName(first) : `${nodeName(first)}-${nodeName(first + end - at - 1)}`);
    at = end;
  }
  return parts.join(",");
}

export function nodeName(node: number): string {
  return `n${node + 1}`;
}

/** The index of a node by its id; negative or NaN of a stranger. */
export function nodeIndex(id: string): number {
  return Number(id.slice(1)) - 1;
}
