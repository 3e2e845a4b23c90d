/** Flags of every command may stand before the command too, `caxton --data-dir D cluster members`: moved behind it. */
import { globalFlags } from "./global-flags.ts";

/** How many words each takes, by what is typed. */
const lengths: ReadonlyMap<string, number> = new Map(
  Object.entries(globalFlags).flatMap(([name, { kind }]): readonly (readonly [string, number])[] => {
    const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (kind === "parsed") return [[`--${flag}`, 2]];
    return [
      [`--${flag}`, 1],
      [`--no-${flag}`, 1],
    ];
  }),
).set("-o", 2);

/** Anything else in front is left there, to be refused. */
export function globalFlagsLast(inputs: readonly string[]): readonly string[] {
  const at = commandAt(inputs);
  if (at === 0 || at >= inputs.length) return inputs;
  const rest = inputs.slice(at);
  // What follows a bare `--` is no flag any more.
  const escape = rest.indexOf("--");
  const end = escape === -1 ? rest.length : escape;
  return [...rest.slice(0, end), ...inputs.slice(0, at), ...rest.slice(end)];
}

/** The line from its command on; as it is where it has none yet. */
export function fromCommand(inputs: readonly string[]): readonly string[] {
  const at = commandAt(inputs);
  return at >= inputs.length ? inputs : inputs.slice(at);
}

function commandAt(inputs: readonly string[]): number {
  let at = 0;
  for (let input = inputs[at]; input !== undefined; input = inputs[at]) {
    const [name = "", value] = input.split("=", 2);
    const length = lengths.get(name);
    if (length === undefined) break;
    at += value === undefined ? length : 1;
  }
  return at;
}
