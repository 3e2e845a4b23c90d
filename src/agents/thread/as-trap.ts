/** What a handler threw, as a trap of its agent. */
import { reasonOf } from "../../base/errors.ts";
import { AgentTrap } from "../../wasm/trap.ts";

/** Whatever a handler threw: an error of the host's own counts as the agent's trap, so that it harms no other agent. */
export function asTrap(error: unknown): AgentTrap {
  return error instanceof AgentTrap ? error : new AgentTrap("other", reasonOf(error), { cause: error });
}
