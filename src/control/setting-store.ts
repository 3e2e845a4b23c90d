/** The cluster's settings as a node proposes and reads them. */
import { controlCommands, controlQueries } from "../wire/control-kinds.ts";
import {
  decodeSettings,
  encodeSettingName,
  encodeSettingPut,
  type Setting,
} from "../wire/control-setting.ts";
import type { Consistency, ControlClient } from "./control-client.ts";
import { demandDone } from "./refusals.ts";

export class SettingStore {
  constructor(private readonly client: Pick<ControlClient, "command" | "query">) {}

  /** Whatever was there. Throws as the client. */
  async put(name: string, value: string): Promise<void> {
    await this.#command(controlCommands.settingPut, encodeSettingPut({ name, value, version: null }), name);
  }

  /** Only at this version, 0: only if it is not set. Throws `conflict`, `limit_exceeded`, and as the client. */
  async putAt(name: string, value: string, version: number): Promise<void> {
    await this.#command(controlCommands.settingPut, encodeSettingPut({ name, value, version }), name);
  }

  /** Nothing when it is not set. Throws as the client. */
  async delete(name: string): Promise<void> {
    await this.#command(controlCommands.settingDelete, encodeSettingName(name), name);
  }

  async list(consistency: Consistency): Promise<readonly Setting[]> {
    const { bytes } = await this.client.query(controlQueries.settings, new Uint8Array(), consistency);
    return decodeSettings(bytes);
  }

  async #command(kind: number, body: Uint8Array, name: string): Promise<void> {
    const { outcome } = await this.client.command({ kind, body, principal: "", idempotencyKey: null });
    if (outcome.status !== "not_found") demandDone(outcome, `change the setting ${name}`, {});
  }
}
