/**
 * What a node does about its store's age: at its start, before any agent begins, and from then on by marking the store
 * while it changes. Where the store is an old copy, each agent that keeps something in it gets a new epoch: peers and
 * journals of what the copy does not know are fenced by it, and the agent is shown as what it is.
 */
import type { AssignmentTable } from "../../agents/assignment-table.ts";
import type { LocalAgents } from "../../agents/local-agents.ts";
import { setBackMove } from "../../agents/set-back.ts";
import { counted } from "../../base/counted.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { AgentName } from "../../base/ids.ts";
import type { AssignmentStore } from "../../control/assignment-store.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import { movesLimit } from "../../wire/control-assignments.ts";
import type { EventLog } from "../events/event-log.ts";
import type { FoundMail } from "./found-mail.ts";
import { type OldStore, StoreAge, type StoreAgeOptions } from "./store-age.ts";

/** An entry of the log a node, while it commits anything. A copy that is older by less may pass for the store itself. */
const renew_ms = 30_000;
/** A node that stops waits no longer for its last mark. */
const lastMark_ms = 1_000;

export interface OldStoreCheckOptions extends Omit<StoreAgeOptions, "clusterOlder"> {
  readonly assignments: Pick<AssignmentStore, "move">;
  readonly table: AssignmentTable;
  readonly local: Pick<LocalAgents, "get" | "isHosted" | "names">;
  readonly mail: Pick<FoundMail, "doubt">;
  readonly events: EventLog;
  readonly clock: Clock;
}

interface Affected {
  readonly agents: number;
  /** Of the outbox. */
  readonly messages: number;
}

export class OldStoreCheck {
  readonly #options: OldStoreCheckOptions;
  readonly #age: StoreAge;
  /** What was in the store when it was opened. */
  readonly #found: ReadonlySet<AgentName>;
  /** What those agents go on from; null where the store is what this node had last. */
  old: OldStore | null = null;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: OldStoreCheckOptions) {
    this.#options = options;
    this.#found = new Set(options.local.names());
    this.#age = new StoreAge({
      ...options,
      clusterOlder: (detail) => this.#tell("store.cluster_older", detail),
    });
  }

  /**
   * Before the agents of the last run begin, with assignments that are read through the leader. Throws `CaxtonError`
   * where the cluster cannot be asked: then again.
   */
  async check(): Promise<void> {
    const { table } = this.#options;
    try {
      const old = await this.#age.look();
      if (old !== null) {
        this.old = old;
        const agents = await this.#setBack();
        const messages = await this.#options.mail.doubt();
        await this.#age.accept(old);
        if (agents + messages > 0) {
          const data = { agents, messages, since: isoOf(old.since_ms) };
          this.#tell("store.old_copy", this.#text(old, data), data);
        }
        await table.refresh("linearizable");
      }
    } catch (error) {
      // Marks are settings, and there is a bound on these: without one nothing can be noticed, and all goes on.
      if (!(error instanceof CaxtonError) || error.code !== "limit_exceeded") throw error;
      logger("store").warn(`An old copy of this node's data would not be noticed: ${reasonOf(error)}`);
    }
    this.#renewLater();
  }

  /** Nothing is marked any more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    const late = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(lastMark_ms, late.resolve);
    await Promise.race([this.#renew(), late.promise]);
    timer.cancel();
  }

  /** How many agents the copy is about. */
  async #setBack(): Promise<number> {
    const { table, local, self, assignments } = this.#options;
    const moves = [...table.of(self)].flatMap((name) => {
      const owned = table.get(name);
      // What was placed here since this process started has nothing that it could have lost.
      if (owned === undefined || (local.isHosted(name) && !this.#found.has(name))) return [];
      return setBackMove(owned, local.get(name)) ?? [];
    });
    for (let from = 0; from < moves.length; from += movesLimit) {
      const batch = moves.slice(from, from + movesLimit);
      await assignments.move({ cause: "failover", term: 0, moves: batch }, "");
    }
    return moves.length;
  }

  #text({ since_ms, marked_ms }: OldStore, { agents, messages }: Affected): string {
    const { self } = this.#options;
    const which =
      since_ms === 0
        ? `no store that it had before (the last one was marked ${isoOf(marked_ms)})`
        : `an old copy of its data, of ${isoOf(since_ms)} (the last one was marked ${isoOf(marked_ms)})`;
    return (
      `Node ${self} came back with ${which}: ${counted(agents, "agent")} ${agents === 1 ? "goes" : "go"} on from it ` +
      "under a new epoch, and what they did since is gone" +
      (messages === 0
        ? ""
        : `; ${counted(messages, "message")} of its outbox, perhaps delivered since, not sent`)
    );
  }

  #renewLater(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(renew_ms, () => {
      void this.#renew().then(() => this.#renewLater());
    });
  }

  async #renew(): Promise<void> {
    try {
      await this.#age.renew();
    } catch (error) {
      // Without a quorum, or on a full disk: the next one marks it.
      if (!(error instanceof CaxtonError)) throw error;
      logger("store").debug(`The store was not marked: ${error.message}`);
    }
  }

  #tell(type: string, text: string, data: Readonly<Record<string, unknown>> = {}): void {
    const { events, self } = this.#options;
    logger("store").warn(text);
    events.record("warn", type, text, { node: self, ...data });
  }
}

function isoOf(at_ms: number): string {
  return new Date(at_ms).toISOString();
}
