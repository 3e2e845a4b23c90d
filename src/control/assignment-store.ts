/**
 * The assignments of agents as a node proposes and reads them. Every change names what it expects to be there,
 * so that of two who decide at the same time one is refused. Who may decide what is said elsewhere.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote, type AgentName } from "../base/ids.ts";
import {
  type Assignment,
  type AssignmentMoves,
  type AssignmentPut,
  type AssignmentRemove,
  type AssignmentsPage,
  type AssignmentSuspend,
  assignmentSpecLimit_bytes,
  decodeAssignmentFound,
  decodeAssignmentsPage,
  encodeAssignmentGet,
  encodeAssignmentMoves,
  encodeAssignmentPut,
  encodeAssignmentRemove,
  encodeAssignmentsSince,
  encodeAssignmentSuspend,
} from "../wire/control-assignments.ts";
import { controlCommands, controlQueries } from "../wire/control-kinds.ts";
import type { ControlOutcome } from "../wire/control-command.ts";
import type { Consistency, ControlClient } from "./control-client.ts";
import { demandDone } from "./refusals.ts";

export class AssignmentStore {
  readonly #client: ControlClient;

  constructor(client: ControlClient) {
    this.#client = client;
  }

  /** The agent's epoch. Throws `conflict` when something else is there than was expected, `limit_exceeded`, and as the client. */
  async put(put: AssignmentPut, principal: string): Promise<number> {
    if (put.spec.length > assignmentSpecLimit_bytes) {
      throw new CaxtonError(
        "payload_too_large",
        `The specification of agent ${quote(put.agent)} has more than ${assignmentSpecLimit_bytes} bytes`,
      );
    }
    const outcome = await this.#command(controlCommands.assignmentPut, encodeAssignmentPut(put), principal);
    demandDone(outcome, `assign agent ${quote(put.agent)}`, changedMeanwhile(put.agent));
    return outcome.value;
  }

  /** How many of them took effect; the others' agents have another owner or epoch by now. Throws `conflict` in another term. */
  async move(moves: AssignmentMoves, principal: string): Promise<number> {
    const outcome = await this.#command(
      controlCommands.assignmentMove,
      encodeAssignmentMoves(moves),
      principal,
    );
    demandDone(outcome, "move agents", {
      stale: ({ value }) =>
        new CaxtonError(
          "conflict",
          `Agents were to be moved by who leads no more: the term is ${value} by now`,
        ),
    });
    return outcome.value;
  }

  /** Throws `agent_not_found`, `conflict`, and as the client. */
  async remove(remove: AssignmentRemove, principal: string): Promise<void> {
    const body = encodeAssignmentRemove(remove);
    const outcome = await this.#command(controlCommands.assignmentRemove, body, principal);
    demandDone(outcome, `remove agent ${quote(remove.agent)}`, changedMeanwhile(remove.agent));
  }

  /** Throws as `remove`. */
  async suspend(suspend: AssignmentSuspend, principal: string): Promise<void> {
    const body = encodeAssignmentSuspend(suspend);
    const outcome = await this.#command(controlCommands.assignmentSuspend, body, principal);
    const what = `${suspend.suspended ? "suspend" : "resume"} agent ${quote(suspend.agent)}`;
    demandDone(outcome, what, changedMeanwhile(suspend.agent));
  }

  async get(agent: AgentName, consistency: Consistency): Promise<Assignment | null> {
    const { bytes } = await this.#client.query(
      controlQueries.assignmentGet,
      encodeAssignmentGet(agent),
      consistency,
    );
    return decodeAssignmentFound(bytes);
  }

  /** A page of what changed after the change of that number. */
  async since(changed: number, consistency: Consistency): Promise<AssignmentsPage> {
    const { bytes } = await this.#client.query(
      controlQueries.assignmentsSince,
      encodeAssignmentsSince(changed),
      consistency,
    );
    return decodeAssignmentsPage(bytes);
  }

  async #command(kind: number, body: Uint8Array, principal: string): Promise<ControlOutcome> {
    const { outcome } = await this.#client.command({ kind, body, principal, idempotencyKey: null });
    return outcome;
  }
}

function changedMeanwhile(agent: AgentName) {
  return {
    conflict: ({ value }: ControlOutcome) =>
      new CaxtonError(
        "conflict",
        value === 0
          ? `Agent ${quote(agent)} is not there any more; deploy it again`
          : `Agent ${quote(agent)} was changed meanwhile (epoch ${value}); look at it and try again`,
      ),
    not_found: () => new CaxtonError("agent_not_found", `There is no agent ${quote(agent)}`),
  };
}
