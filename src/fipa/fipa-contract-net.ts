/**
 * FIPA Contract Net (SC00029): a call for proposals, an offer, its acceptance, the result. With several participants
 * each pair of initiator and participant has its own conversation under one id. The `reply_by` of the call is
 * the deadline for proposals.
 */
import { ended, type ProtocolRules } from "./protocol-rules.ts";

export const fipaContractNet: ProtocolRules = {
  name: "fipa-contract-net",
  opening: { cfp: "called" },
  states: {
    called: [
      { by: "participant", says: ["propose"], to: "proposed" },
      { by: "participant", says: ["refuse"], to: ended },
    ],
    proposed: [
      { by: "initiator", says: ["accept-proposal"], to: "accepted" },
      { by: "initiator", says: ["reject-proposal"], to: ended },
    ],
    accepted: [{ by: "participant", says: ["failure", "inform"], to: ended }],
  },
};
