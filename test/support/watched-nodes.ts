/**
 * What `cluster watch` told of each node, held against what happened to it. How soon a node is missed, and how often a
 * busy machine doubts one that is well, is chance: every story that a person could be told truly fits, and no other.
 */

const told = [
  [/^\[WARN\] Node (\S+) is suspected: ./, "s"],
  [/^\[INFO\] Node (\S+) detected as failed$/, "f"],
  [/^\[INFO\] Node (\S+) is alive again$/, "a"],
  [/^\[INFO\] Node (\S+) is alive again: it restarted$/, "n"],
  [/^\[INFO\] Node (\S+) restarted$/, "r"],
  [/^\[INFO\] Node (\S+) left$/, "l"],
] as const;

/** A suspicion or failure that was not true, and its end; a product that goes on doubting goes beyond it. */
const doubts = "(?:s[sf]*a){0,2}";

/** What happened to a node, as the lines about it tell, in the letters of `told`. */
const fates = {
  /** Nothing. */
  stayed: new RegExp(`^${doubts}$`),
  /** Nothing, and whoever tells was asleep itself: it declares nobody failed for that. */
  "stayed while I slept": /^(?:s+a){0,2}$/,
  /** It was away for so long that all gave it up, and came back as it was. */
  "was away": new RegExp(`^${doubts}s[sf]*f[sf]*a${doubts}$`),
  /** The same, and what came back was a new process. */
  "was away and restarted": new RegExp(`^${doubts}s[sf]*f[sf]*n${doubts}$`),
  /** A new process took over: before it was missed, or after. */
  restarted: new RegExp(`^${doubts}(?:r|s[sf]*n)${doubts}$`),
  /** It said goodbye. */
  left: new RegExp(`^${doubts}[sf]*l$`),
} as const;

export type Fate = keyof typeof fates;

/** Null when the lines tell of these fates and of nothing else, or what does not fit (yet). */
export function misfit(lines: readonly string[], wanted: Readonly<Record<string, Fate>>): string | null {
  const letters = new Map(Object.keys(wanted).map((node) => [node, ""]));
  for (const line of lines) {
    const [node, letter] = lineOf(line);
    if (node === undefined || !letters.has(node)) return `"${line}" was not to be told`;
    letters.set(node, `${letters.get(node)}${letter}`);
  }
  for (const [node, fate] of Object.entries(wanted))
    if (!fates[fate].test(letters.get(node) ?? ""))
      return `that ${node} ${fate} is not told by ${JSON.stringify(lines)}`;
  return null;
}

function lineOf(line: string): readonly [node: string | undefined, letter: string] {
  for (const [pattern, letter] of told) {
    const node = pattern.exec(line)?.[1];
    if (node !== undefined) return [node, letter];
  }
  return [undefined, ""];
}
