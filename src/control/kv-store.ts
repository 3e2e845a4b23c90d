/** The cluster's key-value store as a node's API uses it. Linearizable unless `local` is asked for. */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { controlCommands, controlQueries } from "../wire/control-kinds.ts";
import type { ControlOutcome } from "../wire/control-command.ts";
import {
  type KvDelete,
  type KvList,
  type KvPage,
  type KvPut,
  type KvValue,
  checkKvKey,
  decodeKvPage,
  decodeKvValue,
  encodeKvDelete,
  encodeKvGet,
  encodeKvList,
  encodeKvPut,
  readKvPutDone,
} from "../wire/control-kv.ts";
import { CommandBatch, type CommandWay } from "./command-batch.ts";
import type { Consistency, ControlClient } from "./control-client.ts";
import { demandDone } from "./refusals.ts";

export interface Asker {
  readonly principal: string;
  readonly idempotencyKey: string | null;
  /** Through which the command goes; the node's own client unless given. */
  readonly way?: CommandWay | undefined;
}

export interface KvWritten {
  readonly version: number;
  readonly created: boolean;
  readonly modified_ms: number;
}

export class KvStore {
  readonly #client: ControlClient;

  constructor(client: ControlClient) {
    this.#client = client;
  }

  /** For the writes of so many requests that are handled at the same time, and done in their order. */
  together(requests: number): CommandBatch {
    return new CommandBatch(this.#client, requests);
  }

  async get(
    key: string,
    consistency: Consistency,
  ): Promise<{ readonly found: KvValue | null; readonly appliedIndex: number }> {
    const body = encodeKvGet(checkKvKey(key));
    const { bytes, appliedIndex } = await this.#client.query(controlQueries.kvGet, body, consistency);
    return { found: decodeKvValue(bytes), appliedIndex };
  }

  async list(
    list: KvList,
    consistency: Consistency,
  ): Promise<{ readonly page: KvPage; readonly appliedIndex: number }> {
    const { bytes, appliedIndex } = await this.#client.query(
      controlQueries.kvList,
      encodeKvList(list),
      consistency,
    );
    return { page: decodeKvPage(bytes), appliedIndex };
  }

  /** Throws `precondition_failed` for a condition or a fence that does not hold, `limit_exceeded`, and as the client. */
  async put(put: KvPut, { way = this.#client, ...asker }: Asker): Promise<KvWritten> {
    checkKvKey(put.key);
    const { outcome } = await way.command({
      kind: controlCommands.kvPut,
      body: encodeKvPut(put),
      ...asker,
    });
    demandDone(outcome, `write ${quote(put.key)}`, conditionWords(put));
    return { version: outcome.value, ...readKvPutDone(outcome.body) };
  }

  /** The version that was deleted. Throws as `put`, and `not_found`. */
  async delete(command: KvDelete, { way = this.#client, ...asker }: Asker): Promise<number> {
    checkKvKey(command.key);
    const { outcome } = await way.command({
      kind: controlCommands.kvDelete,
      body: encodeKvDelete(command),
      ...asker,
    });
    demandDone(outcome, `delete ${quote(command.key)}`, {
      ...conditionWords(command),
      not_found: () => noSuchKey(command.key),
    });
    return outcome.value;
  }
}

export function noSuchKey(key: string): CaxtonError {
  return new CaxtonError("not_found", `No key ${quote(key)}`);
}

function conditionWords({ key, fence }: KvDelete) {
  return {
    conflict: ({ value }: ControlOutcome) =>
      new CaxtonError(
        "precondition_failed",
        value === 0 ? `Key ${quote(key)} does not exist` : `Key ${quote(key)} is at version ${value}`,
      ),
    fenced: ({ value }: ControlOutcome) =>
      new CaxtonError(
        "precondition_failed",
        `Lock ${quote(fence?.lock ?? "")} is ${value === 0 ? "not held" : `held under token ${value}`}, ` +
          `not under ${fence?.token ?? 0}: nothing was written`,
      ),
  };
}
