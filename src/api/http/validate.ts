/** Query, path and body against their Valibot schema; a refusal names every field at fault. */
import * as v from "valibot";
import { CaxtonError, type ErrorCode } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { type FieldError, FieldsError } from "./problem.ts";

export type AnySchema = v.GenericSchema;
const fieldsShown = 10;

/** The schema's output. Throws `FieldsError(code)`. `what` begins the sentence: "Query", "Body", "Path". */
export function validate<S extends AnySchema>(
  schema: S,
  value: unknown,
  code: ErrorCode,
  what: string,
): v.InferOutput<S> {
  // To Valibot a list is an object without fields.
  if (Array.isArray(value) && (schema.type === "strict_object" || schema.type === "object")) {
    const message = "Expected an object but received a list";
    throw new FieldsError(code, `${what} refused: ${message}`, [{ field: "", message }]);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const known = result.issues.filter((issue) => !isUnknownField(issue) || (issue.path?.length ?? 0) > 1);
  const fields = [...known.map(fieldError), ...unknownFields(schema, value)].slice(0, fieldsShown);
  const detail = fields
    .map(({ field, message }) => (field === "" ? message : `${field}: ${message}`))
    .join("; ");
  throw new FieldsError(code, `${what} refused: ${detail}`, fields);
}

/** Refuses a part of a URL whose escapes are no UTF-8: decoders would leave them as they are, or put marks for them. */
export function checkEscapes(text: string, what: "path" | "query"): void {
  if (!text.includes("%")) return;
  try {
    decodeURIComponent(text);
  } catch {
    throw new CaxtonError(
      "invalid_argument",
      `The ${what} is not percent-encoded UTF-8: %25 is a percent sign`,
    );
  }
}

/** The parameters of a URL's query. Throws for one that is given twice. */
export function readQuery(url: string): Record<string, string> {
  const mark = url.indexOf("?");
  const query: Record<string, string> = {};
  if (mark === -1) return query;
  checkEscapes(url.slice(mark + 1), "query");
  for (const [name, value] of new URLSearchParams(url.slice(mark + 1))) {
    if (Object.hasOwn(query, name)) {
      const field = { field: name, message: "given twice" };
      throw new FieldsError("invalid_argument", `Query refused: ${quote(name)} is given twice`, [field]);
    }
    Object.defineProperty(query, name, { value, enumerable: true });
  }
  return query;
}

function isUnknownField(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === "strict_object" && issue.expected === "never";
}

/** All of them: Valibot itself stops at the first. */
function unknownFields(schema: AnySchema, value: unknown): readonly FieldError[] {
  const entries = (schema as { readonly entries?: object }).entries;
  if (schema.type !== "strict_object" || entries === undefined || typeof value !== "object" || value === null)
    return [];
  const unknown = Object.keys(value).filter((key) => !Object.hasOwn(entries, key));
  return unknown.map((key) => ({ field: key.slice(0, 200), message: "unknown field" }));
}

function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  const field = (issue.path ?? [])
    .map(({ key }) => String(key))
    .join(".")
    .slice(0, 200);
  if (isUnknownField(issue)) return { field, message: "unknown field" };
  if (issue.received === "undefined") return { field, message: "missing" };
  return { field, message: issue.message.slice(0, 300) };
}
