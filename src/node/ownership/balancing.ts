/** How the cluster places agents that say nothing of it: one strategy for all nodes, a setting of the control state. */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { ControlClient } from "../../control/control-client.ts";
import { demandDone } from "../../control/refusals.ts";
import { placementStrategies, type PlacementStrategy } from "../../wire/agent-spec.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { decodeSettings, encodeSettingPut } from "../../wire/control-setting.ts";

const settingName = "balancing.strategy";
const usual: PlacementStrategy = "least_loaded";

export class Balancing {
  readonly #client: ControlClient;
  readonly #failed: (what: string, reason: string) => void;
  readonly #unsubscribe: () => void;
  #strategy: PlacementStrategy = usual;
  #watched = -1;

  constructor(
    client: ControlClient,
    consensus: Pick<Consensus, "onStatus">,
    failed: (what: string, reason: string) => void,
  ) {
    this.#client = client;
    this.#failed = failed;
    this.#unsubscribe = consensus.onStatus(({ watched }) => {
      if (watched === this.#watched) return;
      this.#watched = watched;
      this.#read("local").catch((error: unknown) => {
        this.#watched = -1;
        this.#failed("read the placement strategy", reasonOf(error));
      });
    });
  }

  get strategy(): PlacementStrategy {
    return this.#strategy;
  }

  /** For every node from now on. Throws `invalid_body`, and as the control client. */
  async set(strategy: string, principal: string): Promise<void> {
    const known = placementStrategies.find((name) => name === strategy);
    if (known === undefined) {
      throw new CaxtonError(
        "invalid_body",
        `Strategy "${strategy}" is none of ${placementStrategies.join(", ")}`,
      );
    }
    const { outcome } = await this.#client.command({
      kind: controlCommands.settingPut,
      body: encodeSettingPut({ name: settingName, value: known, version: null }),
      principal,
      idempotencyKey: null,
    });
    demandDone(outcome, "choose the placement strategy", {});
    await this.#read("linearizable");
  }

  close(): void {
    this.#unsubscribe();
  }

  async #read(consistency: "linearizable" | "local"): Promise<void> {
    const { bytes } = await this.#client.query(controlQueries.settings, new Uint8Array(), consistency);
    const told = decodeSettings(bytes).find(({ name }) => name === settingName)?.value;
    // A strategy of a newer program is none that this one could follow.
    this.#strategy = placementStrategies.find((name) => name === told) ?? usual;
  }
}
