/** Which faults a mixed run has, drawn from a seed before it begins: so a run can be read, and had again. */
import { Prng } from "../../src/base/prng.ts";

export const faultKinds = [
  /** kill −9 of the node's process; its launcher starts it again. */
  "kill-process",
  /** kill −9 of all its processes; started again at the end. */
  "kill-machine",
  /** SIGSTOP of all its processes, SIGCONT at the end. */
  "pause",
  /** Cut off from all others, both ways. */
  "cut-one",
  /** Two nodes cut off from the others, which still reach each other. */
  "cut-two",
  /** It hears nobody, and is heard. */
  "deaf",
  /** Nobody hears it, and it hears all. */
  "mute",
  /** Two nodes lose each other, and reach the rest. */
  "pair",
  /** No room on its disk. */
  "full-disk",
  /** SIGTERM, as a service manager stops it; started again at the end. */
  "stop",
  /** It hands its agents over and leaves; joins again at the end. */
  "leave",
  /** It is asked to lead. */
  "transfer",
  /** Agents are moved to it. */
  "migrate",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Index of the node, and of the second one where the kind has two. */
  readonly node: number;
  readonly other: number;
  readonly hold_ms: number;
}

/** Shortest and longest a fault lasts: owners are given up in between, and mail is tried for longer. */
const hold_ms_min = 500;
const hold_ms_max = 9_000;

/** Each kind comes once before one comes again. */
export function drawFaults(seed: number, count: number, nodes: number): readonly Fault[] {
  const prng = new Prng(seed);
  const faults: Fault[] = [];
  let left: FaultKind[] = [];
  while (faults.length < count) {
    if (left.length === 0) left = [...faultKinds];
    const [kind] = left.splice(prng.below(left.length), 1);
    const node = prng.below(nodes);
    const other = (node + 1 + prng.below(nodes - 1)) % nodes;
    const hold_ms = hold_ms_min + prng.below(hold_ms_max - hold_ms_min);
    if (kind !== undefined) faults.push({ kind, node, other, hold_ms });
  }
  return faults;
}

export function faultLine({ kind, node, other, hold_ms }: Fault): string {
  const second = kind === "cut-two" || kind === "pair" ? ` and node-${other + 1}` : "";
  return `${kind} of node-${node + 1}${second} for ${(hold_ms / 1_000).toFixed(1)} s`;
}
