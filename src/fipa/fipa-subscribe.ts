/** FIPA Subscribe (SC00035): informs follow one another until the initiator cancels or the participant fails. */
import { ended, type ProtocolRules } from "./protocol-rules.ts";

export const fipaSubscribe: ProtocolRules = {
  name: "fipa-subscribe",
  opening: { subscribe: "subscribed" },
  states: {
    subscribed: [
      { by: "participant", says: ["agree", "inform"], to: "informing" },
      { by: "participant", says: ["refuse", "failure"], to: ended },
    ],
    informing: [
      { by: "participant", says: ["inform"], to: "informing" },
      { by: "participant", says: ["failure"], to: ended },
    ],
  },
};
