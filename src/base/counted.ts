/** Numbers of things in words for people. Not for other languages, and not for nouns with a plural of their own. */

/** `1 agent`, `2 agents`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
