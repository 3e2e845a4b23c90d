/** The right key for a wrong one: the same word in another section, or the nearest spelling. */
import { nearest } from "../base/nearest.ts";
import { keysByPath, topLevelAliases } from "./keys.ts";

/** `; did you mean "node.region"?`, or nothing when no key is near. */
export function suggestKey(path: string): string {
  const found = nearestKey(path);
  return found === undefined ? "" : `; did you mean "${found}"?`;
}

function nearestKey(path: string): string | undefined {
  const paths = allPaths();
  const cut = path.lastIndexOf(".");
  const word = path.slice(cut + 1);
  const parent = path.slice(0, Math.max(0, cut));
  const siblings = new Map(
    paths
      .filter((one) => one.slice(0, Math.max(0, one.lastIndexOf("."))) === parent)
      .map((one) => [lastWord(one), one]),
  );
  const sibling = nearest(word, siblings.keys());
  if (sibling !== undefined) return siblings.get(sibling);
  const elsewhere = paths.find((one) => lastWord(one) === word);
  return elsewhere ?? nearest(path, paths);
}

/** Keys and sections. */
function allPaths(): string[] {
  const paths = new Set<string>(Object.keys(topLevelAliases));
  for (const path of keysByPath.keys()) {
    const words = path.split(".");
    for (let length = 1; length <= words.length; length++) paths.add(words.slice(0, length).join("."));
  }
  return [...paths];
}

function lastWord(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
