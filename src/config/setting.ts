/** One key set at one place, before it is checked; and what is wrong with a place. */

export type Source =
  | { readonly kind: "flag"; readonly flag: string }
  | { readonly kind: "environment"; readonly variable: string }
  | { readonly kind: "file"; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: "default" };

export interface Setting {
  /** Dotted: `coordination.cluster.seeds`. */
  readonly path: string;
  readonly input: unknown;
  readonly source: Source;
}

export interface Problem {
  readonly source: Source;
  readonly text: string;
}

/** `caxton.yaml:3:5`, `CAXTON_NODE__REGION`, `--region` or `default`. */
export function describeSource(source: Source): string {
  switch (source.kind) {
    case "flag":
      return source.flag;
    case "environment":
      return source.variable;
    case "file":
      return `${source.file}:${source.line}:${source.column}`;
    case "default":
      return "default";
  }
}
