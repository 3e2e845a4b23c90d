/**
 * What a node does on its side of a partition: the decisions of the configuration, each a condition and an
 * action. Conditions compare `nodes quorum voters queued_writes` with each other or with numbers, or are the
 * word `critical_agents_present`, joined by `&&` and `||` (`&&` binds closer). Pure; parsing refuses by name.
 */

export const partitionActions = ["read-only", "local-only", "continue-critical", "stop"] as const;
export type PartitionAction = (typeof partitionActions)[number];

/** What conditions may look at. */
export interface PartitionFacts {
  /** Members in reach, this node among them. */
  readonly nodes: number;
  /** Voters that are needed. */
  readonly quorum: number;
  /** Voters in reach. */
  readonly voters: number;
  readonly queued_writes: number;
  readonly critical_agents_present: boolean;
}

const measures = ["nodes", "quorum", "voters", "queued_writes"] as const;
const comparisons = ["<=", ">=", "==", "!=", "<", ">"] as const;
type Measure = (typeof measures)[number];
type Comparison = (typeof comparisons)[number];
type Operand = Measure | number;

type Term =
  | { readonly kind: "critical" }
  | {
      readonly kind: "compare";
      readonly left: Operand;
      readonly by: Comparison;
      readonly right: Operand;
    };

/** True when every term of any alternative is. */
export type PartitionCondition = readonly (readonly Term[])[];

export interface PartitionDecision {
  readonly condition: PartitionCondition;
  readonly action: PartitionAction;
}

const conditionLimit_chars = 500;

/** The condition, or a sentence that says what is wrong with the text. */
export function parseCondition(text: string): PartitionCondition | string {
  if (text.length > conditionLimit_chars)
    return `a condition has at most ${conditionLimit_chars} characters, this one ${text.length}`;
  const alternatives: Term[][] = [];
  for (const alternative of text.split("||")) {
    const terms: Term[] = [];
    for (const part of alternative.split("&&")) {
      const term = parseTerm(part.trim());
      if (typeof term === "string") return term;
      terms.push(term);
    }
    alternatives.push(terms);
  }
  return alternatives;
}

function parseTerm(text: string): Term | string {
  if (text === "critical_agents_present") return { kind: "critical" };
  if (text === "") return "a part of the condition is empty";
  const match = /^([a-z_]+|\d+)\s*(<=|>=|==|!=|<|>)\s*([a-z_]+|\d+)$/.exec(text);
  const by = comparisons.find((comparison) => comparison === match?.[2]);
  if (match === null || by === undefined)
    return `"${text}" is not a comparison such as "nodes < quorum", nor "critical_agents_present"`;
  const left = parseOperand(match[1] ?? "");
  const right = parseOperand(match[3] ?? "");
  if (left === null || right === null) {
    const unknown = left === null ? match[1] : match[3];
    return `"${unknown}" is unknown; compare ${measures.join(", ")} and whole numbers`;
  }
  return { kind: "compare", left, by, right };
}

function parseOperand(text: string): Operand | null {
  if (/^\d+$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : null;
  return measures.find((measure) => measure === text) ?? null;
}

export function conditionHolds(condition: PartitionCondition, facts: PartitionFacts): boolean {
  return condition.some((terms) => terms.every((term) => termHolds(term, facts)));
}

function termHolds(term: Term, facts: PartitionFacts): boolean {
  if (term.kind === "critical") return facts.critical_agents_present;
  const left = typeof term.left === "number" ? term.left : facts[term.left];
  const right = typeof term.right === "number" ? term.right : facts[term.right];
  return compare[term.by](left, right);
}

const compare: Readonly<Record<Comparison, (left: number, right: number) => boolean>> = {
  "<": (left, right) => left < right,
  ">": (left, right) => left > right,
  "<=": (left, right) => left <= right,
  ">=": (left, right) => left >= right,
  "==": (left, right) => left === right,
  "!=": (left, right) => left !== right,
};

/**
 * Later decisions refine earlier ones: of several that hold the last counts (in `nodes < quorum` before
 * `nodes == 1` both hold for a node alone). Without any, a minority is read-only.
 */
export function decideAction(
  decisions: readonly PartitionDecision[],
  facts: PartitionFacts,
): { readonly action: PartitionAction; readonly decision: number | null } {
  const decision = decisions.findLastIndex(({ condition }) => conditionHolds(condition, facts));
  const action = decisions[decision]?.action ?? "read-only";
  return { action, decision: decision === -1 ? null : decision };
}
