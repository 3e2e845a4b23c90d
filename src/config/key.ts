/** One configuration key: what it takes, its default, and what a change of it needs. */
import type { GenericSchema, InferOutput } from "valibot";

export interface Key<T> {
  readonly kind: "key";
  readonly schema: GenericSchema<unknown, T>;
  /** As one would write it in the file; undefined when unset by default, which reads as null. */
  readonly fallback: unknown;
  readonly help: string;
  /** Whether SIGHUP applies a change, or only a restart does. */
  readonly live: boolean;
  /** Never printed. */
  readonly secret: boolean;
  /** Accepted for the documents' sake and without effect in this version: setting it is warned of. */
  readonly inert: boolean;
}

export interface Section {
  readonly [name: string]: Section | Key<unknown>;
}

/** The values of a section: durations are milliseconds, sizes bytes, what is unset null. */
export type ConfigOf<S> = {
  readonly [K in keyof S]: S[K] extends Key<infer T> ? T : ConfigOf<S[K]>;
};

type Facts = Partial<Pick<Key<unknown>, "live" | "secret">>;

/** `fallback` as it would stand in the file. */
export function key<const S extends GenericSchema>(
  schema: S,
  fallback: unknown,
  help: string,
  facts: Facts = {},
): Key<InferOutput<S>> {
  return make(schema, fallback, help, facts, false);
}

/** Null unless set. */
export function optionalKey<const S extends GenericSchema>(
  schema: S,
  help: string,
  facts: Facts = {},
): Key<InferOutput<S> | null> {
  return make(schema, undefined, help, facts, false);
}

/** Accepted by its name, checked, warned of, and ignored. */
export function inertKey<const S extends GenericSchema>(
  schema: S,
  help: string,
  facts: Facts = {},
): Key<InferOutput<S> | null> {
  return make(schema, undefined, help, facts, true);
}

function make<T>(
  schema: GenericSchema,
  fallback: unknown,
  help: string,
  facts: Facts,
  inert: boolean,
): Key<T> {
  const { live = false, secret = false } = facts;
  return { kind: "key", schema: schema as GenericSchema<unknown, T>, fallback, help, live, secret, inert };
}

export function isKey(entry: Section | Key<unknown> | undefined): entry is Key<unknown> {
  return entry !== undefined && entry["kind"] === "key";
}
