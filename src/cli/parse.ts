/** Values of flags and arguments, each refused with what is accepted. */
import { formatDuration, parseDuration } from "../base/durations.ts";
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { nearest } from "../base/nearest.ts";

export function asText(input: string): string {
  return input;
}

/** What a flag or argument needs that takes one of `options`: its parser, and words for the shell's completion. */
export function choices<const T extends readonly string[]>(options: T) {
  return {
    parse: choice(options),
    /** The way it was begun: `least-l` goes on as `least-loaded`. Behind a comma the next of a list begins. */
    proposeCompletions: (partial: string): readonly string[] => {
      const listed = partial.slice(0, partial.lastIndexOf(",") + 1);
      const begun = partial.slice(listed.length);
      const fitting = options.filter((one) => plain(one).startsWith(plain(begun)));
      return fitting.map((one) => listed + (begun.includes("-") ? one.replaceAll("_", "-") : one));
    },
  };
}

/** One of `options`; `-` and `_` are alike, and so is case. */
function choice<const T extends readonly string[]>(options: T): (input: string) => T[number] {
  return (input) => {
    const wanted = plain(input);
    const found = options.find((option) => plain(option) === wanted);
    if (found !== undefined) return found;
    const near = nearest(input, options);
    const hint = near === undefined ? "" : `; did you mean ${near}?`;
    throw new CaxtonError("invalid_argument", `${quote(input)} is not one of ${options.join(", ")}${hint}`);
  };
}

/** The longest that a drain may be asked to take, as the API has it. */
export const drainTimeout_ms_max = 3_600_000;

export function duration(low_ms: number, high_ms: number): (input: string) => number {
  return (input) => {
    const value_ms = parseDuration(input);
    if (value_ms >= low_ms && value_ms <= high_ms) return value_ms;
    const range = `from ${formatDuration(low_ms)} to ${formatDuration(high_ms)}`;
    throw new CaxtonError("invalid_argument", `Duration ${quote(input)} is not ${range}`);
  };
}

export function wholeNumber(low: number, high: number): (input: string) => number {
  return (input) => {
    const value = Number(input);
    if (/^\d+$/.test(input) && value >= low && value <= high) return value;
    throw new CaxtonError("invalid_argument", `${quote(input)} is not a whole number from ${low} to ${high}`);
  };
}

function plain(text: string): string {
  return text.toLowerCase().replaceAll("_", "-");
}
