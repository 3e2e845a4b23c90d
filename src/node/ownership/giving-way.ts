/**
 * A leader that does not hear a node gives leadership to a voter that has a working way to all of them, before that node
 * is lost: its agents then go on where they are, with all that they have. At most once in ten minutes in the whole cluster,
 * so that leadership never goes to and fro where what nodes say of their ways is not so.
 */
import * as v from "valibot";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { parsedJson } from "../../base/parsed-json.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import { betterLeader } from "../../ownership/better-leader.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";
import { askSights } from "../partition/sight.ts";

const settingName = "failover.gave_way";
const again_ms = 600_000;
const transfer_ms = 5_000;

const wordSchema = v.strictObject({
  by: v.string(),
  to: v.string(),
  at_ms: v.pipe(v.number(), v.minValue(0)),
});

export interface GivingWayOptions {
  readonly membership: Pick<Membership, "self" | "members">;
  readonly consensus: Pick<Consensus, "status" | "transferLeadership">;
  readonly peers: Pick<Peers, "request">;
  readonly store: Pick<SettingStore, "put" | "list">;
  readonly clock: Pick<Clock, "wall_ms">;
  readonly events: Pick<EventLog, "record">;
  readonly failed: (what: string, reason: string) => void;
}

export class GivingWay {
  readonly #options: GivingWayOptions;

  constructor(options: GivingWayOptions) {
    this.#options = options;
  }

  /** True when another node leads now, which hears these. False: they are lost. Throws as the control client. */
  async instead(unheard: readonly NodeId[]): Promise<boolean> {
    const { membership, consensus, store, clock, events, failed } = this.#options;
    const { self } = membership;
    if (await this.#didLately()) return false;
    const to = await this.#better(unheard);
    if (to === null) return false;
    await store.put(settingName, JSON.stringify({ by: self, to, at_ms: clock.wall_ms() }));
    try {
      await consensus.transferLeadership(to, { timeout_ms: transfer_ms });
    } catch (error) {
      failed(`give leadership to ${to}, which hears ${unheard.join(", ")}`, reasonOf(error));
      return false;
    }
    const text = `Leadership goes to ${to}, which hears ${unheard.join(", ")}: ${self} does not`;
    events.record("warn", "lease.gave_way", text, { from: self, to, unheard: [...unheard] });
    return true;
  }

  async #didLately(): Promise<boolean> {
    const { store, clock } = this.#options;
    const found = (await store.list("local")).find(({ name }) => name === settingName);
    if (found === undefined) return false;
    const word = v.safeParse(wordSchema, parsedJson(found.value));
    // Wall clocks of two leaders: one far ahead must not forbid it for ever.
    return word.success && Math.abs(clock.wall_ms() - word.output.at_ms) < again_ms;
  }

  async #better(unheard: readonly NodeId[]): Promise<NodeId | null> {
    const { membership, consensus, peers } = this.#options;
    const alive = membership
      .members()
      .filter(({ status }) => status === "alive" || status === "suspect")
      .map(({ id }) => id);
    const voters = consensus
      .status()
      .members.filter(
        ({ node, role }) => role === "voter" && node !== membership.self && alive.includes(node),
      )
      .map(({ node }) => node)
      .filter((node) => !unheard.includes(node));
    // One of an earlier program does not say whether its raft thread reaches them.
    return betterLeader(unheard, alive, await askSights(peers, voters, () => null));
  }
}
