/** FIPA Request (SC00026): one asks the other to do something. `agree` may be left out when it is done at once. */
import { ended, type ProtocolRules } from "./protocol-rules.ts";

export const fipaRequest: ProtocolRules = {
  name: "fipa-request",
  opening: { request: "requested" },
  states: {
    requested: [
      { by: "participant", says: ["agree"], to: "agreed" },
      { by: "participant", says: ["refuse", "failure", "inform"], to: ended },
    ],
    agreed: [{ by: "participant", says: ["failure", "inform"], to: ended }],
  },
};
