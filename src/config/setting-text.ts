/**
 * Text that stands for a value: an environment variable, a flag, or a plain scalar of the file after
 * `${VAR}` was put in. What the text means follows from the key.
 */
import { parse } from "yaml";
import { quote } from "../base/ids.ts";
import type { Key } from "./key.ts";

/** The value that `text` stands for; what does not fit stays text, which the key's schema then refuses. */
export function inputOfText(key: Key<unknown>, text: string): unknown {
  switch (key.schema.type) {
    case "number":
      return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" ? true : text === "false" ? false : text;
    case "array":
      return text.trim().startsWith("[") ? parsedYaml(text) : splitList(text);
    case "unknown":
      return parsedYaml(text);
    default:
      return text;
  }
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function parsedYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 }) as unknown;
  } catch {
    return text;
  }
}

/**
 * Puts variables into `${VAR}` and `${VAR:-default}`; `$${` is a literal `${`. The default also
 * serves for an empty variable, as in a shell. `problem` says what is wrong, once.
 */
export function substitute(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): { readonly text: string; readonly problem: string | undefined } {
  let problem: string | undefined;
  const pattern = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;
  const result = text.replace(
    pattern,
    (whole: string, name: string | undefined, fallback: string | undefined) => {
      if (whole === "$${") return "${";
      if (name === undefined) {
        problem ??= `${quote(text)} has a "\${" that is not like \${VAR} or \${VAR:-default}`;
        return "";
      }
      const value = env[name];
      if (value !== undefined && (value !== "" || fallback === undefined)) return value;
      if (fallback !== undefined) return fallback;
      problem ??= `environment variable ${name} is not set; write \${${name}:-default} to give it a default`;
      return "";
    },
  );
  return { text: result, problem };
}
