/** The JSON Schema of the configuration file, for editors: `caxton config schema`. */
import { toJsonSchema } from "@valibot/to-json-schema";
import { isKey } from "./key.ts";
import type { Key, Section } from "./key.ts";
import { configKeys, topLevelAliases } from "./keys.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export function configJsonSchema(): JsonObject {
  const root = sectionSchema(configKeys);
  const properties = { ...(root["properties"] as JsonObject) };
  for (const [alias, path] of Object.entries(topLevelAliases)) {
    properties[alias] = { $ref: `#/properties/${path.replaceAll(".", "/properties/")}` };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Caxton configuration",
    ...root,
    properties,
  };
}

function sectionSchema(section: Section): JsonObject {
  const properties = Object.fromEntries(
    Object.entries(section).map(([word, entry]) => [
      word,
      isKey(entry) ? keySchema(entry) : sectionSchema(entry),
    ]),
  );
  return { type: ["object", "null"], additionalProperties: false, properties };
}

function keySchema(key: Key<unknown>): JsonObject {
  // Transformations have no JSON Schema: what a file may hold is what goes into them.
  const { $schema: _, ...schema } = toJsonSchema(key.schema, {
    typeMode: "input",
    errorMode: "ignore",
    target: "draft-2020-12",
  });
  const description = key.inert ? `${key.help} No effect in this version.` : key.help;
  const fallback = key.fallback === undefined ? {} : { default: key.fallback };
  // A value may always be left out (null) or come from a variable.
  const variable = { type: "string", pattern: "\\$\\{" };
  return { description, ...fallback, anyOf: [schema, { type: "null" }, variable] };
}
