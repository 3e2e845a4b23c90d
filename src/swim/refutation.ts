/**
 * What a node does on hearing of itself. It alone raises its incarnation, and only as far as needed to
 * beat an accusation of its present life; a word from a life that it has not had is a conflict.
 */
import type { NodeId } from "../base/ids.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { spreadMember, type SwimState } from "./state.ts";

const counterStepLimit = 1_000;

/** `answer`: the source should be sent this node's present alive update. */
export function refuteIfAccused(
  state: SwimState,
  said: Incarnation,
  what: "alive" | "suspect" | "failed" | "left",
  source: NodeId,
): "taken" | "ignored" | "answer" {
  const { me } = state;
  if (said.boot > me.incarnation.boot) {
    const reason =
      `${source} knows boot epoch ${said.boot} of this node, which is at ${me.incarnation.boot}: ` +
      "another node uses its name, or its data directory is an old copy";
    state.emit({ kind: "conflict", node: state.self, source, reason });
    return "ignored";
  }
  const newer = compareIncarnations(said, me.incarnation);
  if (state.phase === "leaving") return "ignored";
  if (what === "alive") {
    if (newer <= 0) return "ignored";
  } else if (newer < 0) {
    return "answer";
  }
  if (said.counter - me.incarnation.counter > counterStepLimit) {
    state.refuse("poisoned");
    return "ignored";
  }
  me.incarnation = { boot: me.incarnation.boot, counter: Math.max(said.counter, me.incarnation.counter) + 1 };
  state.awareness.change(1);
  spreadMember(state, me);
  state.emit({ kind: "member", event: "updated", member: me, reason: `refuted "${what}" of ${source}` });
  return "answer";
}
