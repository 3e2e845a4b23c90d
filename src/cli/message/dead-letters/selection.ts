/** Which dead letters a command is about: ids with their nodes, or all of them said aloud. */
import { CaxtonError } from "../../../base/errors.ts";
import { parseNodeId, quote, type NodeId } from "../../../base/ids.ts";
import type { Call } from "../../command.ts";
import { proposeNodes } from "../../known-names.ts";

/** `17@node-2`, as the list shows them; without a node it is the one that answers. */
export interface LetterId {
  readonly id: number;
  readonly node: NodeId | undefined;
}

export interface SelectionFlags {
  readonly all: boolean;
  readonly node?: NodeId;
}

export const nodeFlag = {
  kind: "parsed",
  parse: parseNodeId,
  proposeCompletions: proposeNodes,
  optional: true,
  placeholder: "N",
  brief: "Only of this node",
} as const;

export const selectionParameters = {
  flags: {
    all: { kind: "boolean", default: false, withNegated: false, brief: "Every one, of every node" },
    node: nodeFlag,
  },
  positional: {
    kind: "array",
    parameter: { parse: parseLetterId, placeholder: "ID", brief: "Dead letters as listed, like 17@node-2" },
  },
} as const;

/** What to do at which node; a node undefined is the one that answers, or with "all" every one. */
export interface Selected {
  readonly ids: readonly number[] | "all";
  readonly node: NodeId | undefined;
}

export function selected({ all, node }: SelectionFlags, letters: readonly LetterId[]): readonly Selected[] {
  if (all === letters.length > 0) {
    throw new CaxtonError(
      "invalid_argument",
      "Name the dead letters by their ids, or say --all; one of the two",
    );
  }
  if (all) return [{ ids: "all", node }];
  const byNode = new Map<NodeId | undefined, number[]>();
  for (const letter of letters) {
    const at = letter.node ?? node;
    byNode.set(at, [...(byNode.get(at) ?? []), letter.id]);
  }
  return [...byNode].map(([at, ids]) => ({ ids, node: at }));
}

/** On standard error: what is missing in an answer about the whole cluster. */
export function noticeNotAsked(
  { output }: Call,
  notAsked: readonly { readonly node: string; readonly reason: string }[],
): void {
  for (const { node, reason } of notAsked) output.notice(`warning: ${node} could not be asked: ${reason}`);
}

/** On standard error: who was asked, and may have done it. */
export function noticeNoAnswer(
  { output }: Call,
  noAnswer: readonly { readonly node: string; readonly reason: string }[],
): void {
  for (const { node, reason } of noAnswer)
    output.notice(`warning: ${node} did not answer, and may have done it: ${reason}`);
}

function parseLetterId(input: string): LetterId {
  const [, id, node] = /^(\d{1,15})(?:@(.+))?$/.exec(input) ?? [];
  if (id === undefined)
    throw new CaxtonError("invalid_argument", `${quote(input)} is not an id like 17@node-2 or 17`);
  return { id: Number(id), node: node === undefined ? undefined : parseNodeId(node) };
}
