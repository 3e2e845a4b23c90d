/** Registrations of nodes by HTTP, as a node proposes and reads them. */
import { CaxtonError } from "../base/errors.ts";
import { type NodeId, quote } from "../base/ids.ts";
import type { ControlOutcome } from "../wire/control-command.ts";
import { controlCommands, controlQueries } from "../wire/control-kinds.ts";
import {
  type Judgements,
  type Registration,
  type RegistrationDetails,
  decodeRegistrations,
  encodeJudgements,
  encodeRegistrationPut,
  encodeRegistrationRemoval,
} from "../wire/control-registration.ts";
import type { Consistency, ControlClient } from "./control-client.ts";
import { demandDone } from "./refusals.ts";

export class RegistrationStore {
  constructor(private readonly client: Pick<ControlClient, "command" | "query">) {}

  /** Throws `already_exists`, `limit_exceeded`, and as the client. */
  async put(details: RegistrationDetails, principal: string): Promise<void> {
    const body = encodeRegistrationPut(details);
    const outcome = await this.#command(controlCommands.registrationPut, body, principal);
    demandDone(outcome, `register node ${quote(details.id)}`, {
      conflict: () => new CaxtonError("already_exists", `Node ${quote(details.id)} is registered already`),
    });
  }

  /** Throws `node_not_found`, `conflict` at another version, and as the client. */
  async remove(id: NodeId, version: number | null, principal: string): Promise<void> {
    const body = encodeRegistrationRemoval({ id, version });
    const outcome = await this.#command(controlCommands.registrationRemove, body, principal);
    demandDone(outcome, `unregister node ${quote(id)}`, {
      not_found: () => new CaxtonError("node_not_found", `No node ${quote(id)} is registered`),
    });
  }

  /** How many changed; those of registrations that are others by now do not. Throws `conflict` in another term. */
  async judge(judgements: Judgements): Promise<number> {
    const outcome = await this.#command(controlCommands.registrationJudge, encodeJudgements(judgements), "");
    demandDone(outcome, "judge registered nodes", {});
    return outcome.value;
  }

  async list(consistency: Consistency): Promise<readonly Registration[]> {
    const { bytes } = await this.client.query(controlQueries.registrations, new Uint8Array(), consistency);
    return decodeRegistrations(bytes);
  }

  async #command(kind: number, body: Uint8Array, principal: string): Promise<ControlOutcome> {
    const { outcome } = await this.client.command({ kind, body, principal, idempotencyKey: null });
    return outcome;
  }
}
