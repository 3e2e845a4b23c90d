/** Which dead letters a command is about: ids, or all of them said aloud. */
import { CaxtonError } from "../../../base/errors.ts";
import { wholeNumber } from "../../parse.ts";

export interface SelectionFlags {
  readonly all: boolean;
}

export const selectionParameters = {
  flags: { all: { kind: "boolean", default: false, withNegated: false, brief: "Every one" } },
  positional: {
    kind: "array",
    parameter: {
      parse: wholeNumber(0, Number.MAX_SAFE_INTEGER),
      placeholder: "ID",
      brief: "Ids of dead letters",
    },
  },
} as const;

export function selected({ all }: SelectionFlags, ids: readonly number[]): readonly number[] | "all" {
  if (all === ids.length > 0) {
    throw new CaxtonError(
      "invalid_argument",
      "Name the dead letters by their ids, or say --all; one of the two",
    );
  }
  return all ? "all" : ids;
}
