/** The flags that every command takes. */
import { proposeFiles } from "./files-mark.ts";
import { choices, duration } from "./parse.ts";
import { formats } from "./output.ts";
import type { Format } from "./output.ts";

const requestTimeout_ms_max = 24 * 3_600_000;

export interface GlobalFlags {
  readonly api?: string | undefined;
  readonly token?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly context?: string | undefined;
  readonly format?: Format | undefined;
  readonly output?: Format | undefined;
  readonly requestTimeout: number;
  readonly yes: boolean;
  readonly color: boolean;
}

const text = (input: string): string => input;

export const globalFlags = {
  api: {
    kind: "parsed",
    parse: text,
    optional: true,
    placeholder: "URL",
    brief: "The node to talk to [default the local one, http://127.0.0.1:8080]",
  },
  token: {
    kind: "parsed",
    parse: text,
    optional: true,
    placeholder: "T",
    brief: "A token instead of the local one (caxton auth token)",
  },
  dataDir: {
    kind: "parsed",
    parse: text,
    optional: true,
    proposeCompletions: proposeFiles,
    placeholder: "DIR",
    brief: "The local node's data directory [default ./data]",
  },
  context: {
    kind: "parsed",
    parse: text,
    optional: true,
    placeholder: "NAME",
    brief: "A saved node to talk to (caxton context add)",
  },
  format: {
    kind: "parsed",
    ...choices(formats),
    optional: true,
    placeholder: "F",
    brief: "table, json or wide",
  },
  output: {
    kind: "parsed",
    ...choices(formats),
    optional: true,
    hidden: true,
    placeholder: "F",
    brief: "The same as --format",
  },
  requestTimeout: {
    kind: "parsed",
    parse: duration(1, requestTimeout_ms_max),
    default: "30s",
    placeholder: "D",
    brief: "Until one request is given up [default 30s]",
  },
  yes: {
    kind: "boolean",
    default: false,
    withNegated: false,
    brief: "Ask nothing: yes to what cannot be undone",
  },
  color: { kind: "boolean", default: true, brief: "Without colours, as by NO_COLOR" },
} as const;
