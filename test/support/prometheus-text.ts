/**
 * A strict reader of the Prometheus text format 0.0.4: throws where promtool or a server would complain,
 * and for what they would quietly accept but no one should write (samples out of their family).
 */

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const types = new Set(["counter", "gauge", "histogram", "summary", "untyped"]);

export function parsePrometheus(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the text does not end with a line feed");
  const families = new Map<string, Family>();
  let open: Family | undefined;
  let help: { name: string; text: string } | undefined;
  const seen = new Set<string>();
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("# HELP ")) {
      const [, name, words] = /^# HELP (\S+) (.+)$/.exec(line) ?? fail(line);
      help = { name: name as string, text: words as string };
    } else if (line.startsWith("# TYPE ")) {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? fail(line);
      if (!metricName.test(name as string) || !types.has(type as string)) fail(line);
      if (families.has(name as string)) throw new Error(`two families ${name}`);
      if (help?.name !== name) throw new Error(`no help before ${name}`);
      if (type === "counter" && !(name as string).endsWith("_total"))
        throw new Error(`counter ${name} without _total`);
      open = { name: name as string, type: type as string, help: help?.text ?? "", samples: [] };
      families.set(open.name, open);
    } else if (line.startsWith("#") || line === "") {
      throw new Error(`unexpected line: ${line}`);
    } else {
      if (open === undefined) throw new Error(`sample before any type: ${line}`);
      const sample = parseSample(line);
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).toSorted())}`;
      if (seen.has(key)) throw new Error(`the same sample twice: ${line}`);
      seen.add(key);
      const suffixes = open.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
      if (!suffixes.some((suffix) => sample.name === `${open?.name}${suffix}`))
        throw new Error(`${line} is not of ${open.name}`);
      open.samples.push(sample);
    }
  }
  for (const family of families.values()) {
    if (family.samples.length === 0) throw new Error(`${family.name} has no samples`);
    if (family.type === "histogram") checkHistogram(family);
  }
  return families;
}

function parseSample(line: string): Family["samples"][number] {
  const [, name, labelText, valueText] =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? fail(line);
  const labels: Record<string, string> = {};
  let rest = labelText ?? "";
  while (rest !== "") {
    const [all, label, value] =
      /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest) ?? fail(line);
    if (Object.hasOwn(labels, label as string)) throw new Error(`label ${label} twice: ${line}`);
    labels[label as string] = value as string;
    rest = rest.slice(all.length);
  }
  const value =
    valueText === "+Inf"
      ? Infinity
      : valueText === "-Inf"
        ? -Infinity
        : valueText === "NaN"
          ? NaN
          : Number(valueText);
  if (Number.isNaN(value) && valueText !== "NaN") fail(line);
  return { name: name as string, labels, value };
}

/** By series: buckets ascend in bound and never fall in count, end at +Inf, and agree with the count. */
function checkHistogram(family: Family): void {
  const series = new Map<string, { bounds: number[]; counts: number[]; count?: number; sum?: number }>();
  for (const { name, labels, value } of family.samples) {
    const { le, ...others } = labels;
    const key = JSON.stringify(Object.entries(others).toSorted());
    const one = series.get(key) ?? { bounds: [], counts: [] };
    series.set(key, one);
    if (name.endsWith("_bucket")) {
      one.bounds.push(le === "+Inf" ? Infinity : Number(le));
      one.counts.push(value);
    } else if (name.endsWith("_sum")) one.sum = value;
    else one.count = value;
  }
  for (const { bounds, counts, count, sum } of series.values()) {
    const rising = (list: number[]): boolean => list.every((x, i) => i === 0 || x >= (list[i - 1] as number));
    if (!rising(bounds) || !rising(counts)) throw new Error(`${family.name}: buckets fall`);
    if (bounds.at(-1) !== Infinity || counts.at(-1) !== count || sum === undefined)
      throw new Error(`${family.name}: incomplete`);
  }
}

function fail(line: string): never {
  throw new Error(`not the Prometheus text format: ${line}`);
}
