/** Schemas that many routes share: names, counts and durations in text, pages. */
import * as v from "valibot";
import { formatDuration, parseDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { type AgentName, type NodeId, namePattern, nameRule } from "../../base/ids.ts";
import { formatLimit, parseSize } from "../../base/sizes.ts";

export const pageLimit_max = 1_000;
export const pageLimit_default = 100;

const nameText = v.pipe(v.string(), v.regex(namePattern, `not ${nameRule}`));
export const nodeIdField = v.pipe(
  nameText,
  v.transform((text) => text as NodeId),
);
export const agentNameField = v.pipe(
  nameText,
  v.transform((text) => text as AgentName),
);

/** A whole number in a query. */
export function countField(min: number, max: number) {
  return v.pipe(
    v.string(),
    v.regex(/^\d{1,15}$/, "not a whole number"),
    v.transform(Number),
    v.minValue(min, `below ${min}`),
    v.maxValue(max, `above ${max}`),
  );
}

/** `5s`, `500ms`; milliseconds inside. */
export function durationField(min_ms: number, max_ms: number) {
  return v.pipe(
    v.string(),
    transformed(parseDuration),
    v.minValue(min_ms, `shorter than ${formatDuration(min_ms)}`),
    v.maxValue(max_ms, `longer than ${formatDuration(max_ms)}`),
  );
}

/** `64MiB`, `512`; bytes inside. */
export function sizeField(min_bytes: number, max_bytes: number) {
  return v.pipe(
    v.string(),
    transformed(parseSize),
    v.minValue(min_bytes, `less than ${formatLimit(min_bytes)}`),
    v.maxValue(max_bytes, `more than ${formatLimit(max_bytes)}`),
  );
}

/** A comma-separated list, each item of it against `item`. Empty text is the empty list, where that is allowed. */
export function listField<S extends v.GenericSchema<string, unknown>>(item: S, limit: number, least = 0) {
  return v.pipe(
    v.string(),
    v.transform((text) => (text === "" ? [] : text.split(",").map((part) => part.trim()))),
    v.array(item),
    v.minLength(least, "empty"),
    v.maxLength(limit, `more than ${limit} items`),
  );
}

/** Choices that accept `-` and `_` alike. */
export function choiceField<const T extends readonly string[]>(choices: T) {
  return v.pipe(
    v.string(),
    v.transform((text) => text.replaceAll("-", "_")),
    v.picklist(choices, `not one of ${choices.join(", ")}`),
  );
}

export const pageFields = {
  limit: v.optional(countField(1, pageLimit_max), String(pageLimit_default)),
  cursor: v.optional(v.pipe(v.string(), v.regex(/^[!-~]{1,256}$/, "not a cursor"))),
};

export const timeSchema = v.pipe(v.string(), v.isoTimestamp());

/** Uses a parser that throws `CaxtonError` as a schema's action. */
function transformed(parse: (text: string) => number) {
  return v.rawTransform<string, number>(({ dataset, addIssue, NEVER }) => {
    try {
      return parse(dataset.value);
    } catch (error) {
      if (!(error instanceof CaxtonError)) throw error;
      addIssue({ message: error.message });
      return NEVER;
    }
  });
}
