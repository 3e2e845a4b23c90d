/**
 * The kinds of values that configuration keys take, as valibot schemas: each says in one phrase
 * what it accepts. Inside, durations are milliseconds and sizes are bytes.
 */
import * as v from "valibot";
import { parseDuration } from "../base/durations.ts";
import { reasonOf } from "../base/errors.ts";
import { isIpAddress, parseHostPort } from "../base/host-port.ts";
import type { HostPort } from "../base/host-port.ts";
import { namePattern, nameRule } from "../base/ids.ts";
import { parseSize } from "../base/sizes.ts";

/** `parse` throws an error whose text explains what is wrong. */
function parsed<T>(expected: string, parse: (text: string) => T) {
  return v.pipe(
    v.string(`must be ${expected}`),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        addIssue({ message: reasonOf(error) });
        return NEVER;
      }
    }),
  );
}

export function text(limit = 1_024) {
  const rule = `must be text of 1 to ${limit} characters`;
  return v.pipe(v.string(rule), v.minLength(1, rule), v.maxLength(limit, rule));
}

/** A node, cluster, region or service name. */
export function name() {
  return v.pipe(v.string(`must be ${nameRule}`), v.regex(namePattern, `must be ${nameRule}`));
}

export function boolean() {
  return v.boolean("must be true or false");
}

export function integer(low: number, high: number) {
  const rule = `must be a whole number from ${low} to ${high}`;
  return v.pipe(v.number(rule), v.integer(rule), v.minValue(low, rule), v.maxValue(high, rule));
}

export function fraction() {
  const rule = "must be a number from 0 to 1";
  return v.pipe(v.number(rule), v.minValue(0, rule), v.maxValue(1, rule));
}

export function oneOf<const T extends readonly string[]>(options: T) {
  return v.picklist(options, `must be one of ${options.join(", ")}`);
}

/** Milliseconds. */
export function duration(low = "0s", high = "365d") {
  const [low_ms, high_ms] = [parseDuration(low), parseDuration(high)];
  const rule = `must be a duration from ${low} to ${high}`;
  return v.pipe(
    parsed("a duration like 500ms, 30s or 5m", parseDuration),
    v.minValue(low_ms, rule),
    v.maxValue(high_ms, rule),
  );
}

/** Bytes; a plain number is bytes too. */
export function size(low: string, high: string) {
  const rule = `must be a size from ${low} to ${high}`;
  return v.pipe(
    v.union([v.string(), v.number()], "must be a size like 64KiB or 10MB"),
    v.transform(String),
    parsed("a size like 64KiB or 10MB", parseSize),
    v.minValue(parseSize(low), rule),
    v.maxValue(parseSize(high), rule),
  );
}

/** Where to connect to: the host may be a name. */
export function address() {
  return parsed("an address like node-1:7946", (text: string): HostPort => {
    const found = parseHostPort(text);
    if (found.port === 0) throw new Error("must have a port from 1 to 65535");
    return found;
  });
}

/** Where to listen: an IP address or `localhost`, port 0 for any free one. */
export function listenAddress() {
  return parsed("an address like 0.0.0.0:7946", (text: string): HostPort => {
    const found = parseHostPort(text);
    if (found.host === "localhost") return { host: "127.0.0.1", port: found.port };
    if (!isIpAddress(found.host))
      throw new Error("must be an IP address and a port to listen on, not a name");
    return found;
  });
}

export function list<const T extends v.GenericSchema>(item: T, limit = 1_000) {
  return v.pipe(v.array(item, "must be a list"), v.maxLength(limit, `must have at most ${limit} entries`));
}
