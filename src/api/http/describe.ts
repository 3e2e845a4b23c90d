/** An endpoint's schemas as an OpenAPI 3.1 operation; `hono-openapi` gathers them into the document. */
import { toJsonSchema } from "@valibot/to-json-schema";
import type { DescribeRouteOptions } from "hono-openapi";
import { problemSchema } from "./problem.ts";
import type { AnySchema } from "./validate.ts";

interface Described {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly query?: AnySchema;
  readonly params?: AnySchema;
  readonly body?: AnySchema;
  readonly media?: readonly string[];
  readonly answer?: AnySchema;
  readonly status?: number;
  readonly answerMedia?: string;
  /** A write that a minority keeps for later. */
  readonly inMinority?: { readonly kind: "queued" | "refused" };
}

/** A part of the document; the whole is checked by a validator in the tests. */
type Part = Readonly<Record<string, unknown>>;

const queuedAnswer: Part = {
  description:
    "Kept by a node that is cut off from the majority, on its disk, and done when it reaches a quorum again. " +
    "`Location` tells what became of it.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        properties: {
          status: { const: "queued" },
          queued_write: { type: "string" },
          node: { type: "string" },
          position: { type: "number" },
          detail: { type: "string" },
        },
      },
    },
  },
};

export function describeEndpoint(endpoint: Described): DescribeRouteOptions {
  const { tag, summary, description } = endpoint;
  const answer: Part = endpoint.answer ? { schema: schemaOf(endpoint.answer, "output") } : {};
  const operation: Part = {
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...parametersOf(endpoint.params, "path"), ...parametersOf(endpoint.query, "query")],
    ...bodyOf(endpoint),
    responses: {
      [endpoint.status ?? 200]: {
        description: "Done",
        content: { [endpoint.answerMedia ?? "application/json"]: answer },
      },
      ...(endpoint.inMinority?.kind === "queued" ? { 202: queuedAnswer } : {}),
      default: { $ref: "#/components/responses/Problem" },
    },
  };
  return operation;
}

/** The component that every operation's `default` answer refers to. */
export function problemComponent(): { description: string; content: Record<string, { schema: object }> } {
  return {
    description: "What went wrong, as a problem document (RFC 9457)",
    content: { "application/problem+json": { schema: schemaOf(problemSchema, "output") } },
  };
}

function bodyOf(endpoint: Described): Part {
  if (endpoint.body !== undefined) {
    return {
      requestBody: {
        required: true,
        content: { "application/json": { schema: schemaOf(endpoint.body, "input") } },
      },
    };
  }
  if (endpoint.media === undefined) return {};
  return {
    requestBody: {
      required: true,
      content: Object.fromEntries(
        endpoint.media.map((type) => [type, { schema: { type: "string", contentMediaType: type } }]),
      ),
    },
  };
}

function parametersOf(schema: AnySchema | undefined, place: "path" | "query"): readonly Part[] {
  if (schema === undefined) return [];
  const { properties, required } = schemaOf(schema, "input") as {
    readonly properties?: Readonly<Record<string, Part>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties ?? {}).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === "path" || (required ?? []).includes(name),
    schema: rest,
    ...(description === undefined ? {} : { description }),
  }));
}

/** Checks that JSON Schema cannot say (custom ones, transformations) are left to the server. */
function schemaOf(schema: AnySchema, typeMode: "input" | "output"): Part {
  const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore", typeMode });
  return rest;
}
