/**
 * FIPA Query (SC00027): whether something is so (`query-if`), or what it is (`query-ref`). A `query-if` may also be
 * answered by `confirm` or `disconfirm`, which say the same as informing of truth or falsehood.
 */
import { ended, type ProtocolRules } from "./protocol-rules.ts";

export const fipaQuery: ProtocolRules = {
  name: "fipa-query",
  opening: { "query-if": "asked-if", "query-ref": "asked-ref" },
  states: {
    "asked-if": [
      { by: "participant", says: ["agree"], to: "agreed-if" },
      { by: "participant", says: ["refuse", "failure", "inform", "confirm", "disconfirm"], to: ended },
    ],
    "asked-ref": [
      { by: "participant", says: ["agree"], to: "agreed-ref" },
      { by: "participant", says: ["refuse", "failure", "inform"], to: ended },
    ],
    "agreed-if": [{ by: "participant", says: ["failure", "inform", "confirm", "disconfirm"], to: ended }],
    "agreed-ref": [{ by: "participant", says: ["failure", "inform"], to: ended }],
  },
};
