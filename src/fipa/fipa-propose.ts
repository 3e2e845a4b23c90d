/** FIPA Propose (SC00036): the initiator offers to do something, the participant accepts or rejects. */
import { ended, type ProtocolRules } from "./protocol-rules.ts";

export const fipaPropose: ProtocolRules = {
  name: "fipa-propose",
  opening: { propose: "proposed" },
  states: {
    proposed: [{ by: "participant", says: ["accept-proposal", "reject-proposal"], to: ended }],
  },
};
