/** `caxton kv put KEY VALUE`: writes a value, with conditions where they are given. */
import { CaxtonError } from "../../base/errors.ts";
import { kvValueLimit_bytes } from "../../wire/control-kv.ts";
import { command } from "../command.ts";
import { givenContent } from "../content.ts";
import { asText } from "../parse.ts";
import { keyArgument, writeFlags, type WriteFlags, writeOptions } from "./words.ts";

interface Flags extends WriteFlags {
  readonly ifAbsent: boolean;
  readonly type?: string;
}

export const put = command<Flags, [string, string]>({
  brief: "Write the value of a key",
  examples: [
    "caxton kv put config/colour green",
    "caxton kv put config/colour blue --if-version 6",
    "caxton kv put report @report.json --type application/json --lock build --fencing-token 7",
  ],
  parameters: {
    flags: {
      ifAbsent: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Only where the key has no value",
      },
      ...writeFlags,
      type: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "TYPE",
        brief: "Its media type [default text/plain, of bytes application/octet-stream]",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        keyArgument,
        {
          parse: asText,
          placeholder: "TEXT|@FILE|-",
          brief: "The value; @FILE takes a file, - standard input",
        },
      ],
    },
  },
  run: async ({ client, output }, { ifAbsent, type, ...flags }, key, given) => {
    if (ifAbsent && flags.ifVersion !== undefined)
      throw new CaxtonError("invalid_argument", "--if-absent and --if-version cannot both hold");
    const options = { ...writeOptions(flags), ...(ifAbsent ? { ifVersion: "absent" as const } : {}) };
    const value = givenContent(given, "value", kvValueLimit_bytes);
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    const usual = typeof value === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
    const { kv } = await client();
    const written = await kv.put(key, { bytes, type: type ?? usual }, options);
    const { created, version } = written;
    output.lines([`${created ? "Created" : "Wrote"} ${key} (version ${version})`], written);
  },
});
