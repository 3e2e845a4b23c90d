/**
 * Moving an agent of this node to another with everything that it has: it stops, its journal is stored over there,
 * then the assignment switches. Each step may be the last before a crash: until the assignment has switched, the
 * agent is this node's and goes on from its own journal; afterwards it is the other's, and goes on from the copy.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote, type AgentName, type NodeId } from "../base/ids.ts";
import { formatLimit, formatSize } from "../base/sizes.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { AssignmentStore } from "../control/assignment-store.ts";
import type { Clock } from "../ports/clock.ts";
import { agentJournalLimit_bytes, encodeAgentJournal } from "../wire/agent-journal.ts";
import type { AssignmentCause } from "../wire/control-assignments.ts";
import { encodeUtf8, Writer } from "../wire/cursor.ts";
import { agentMethods, emptyAnswer, jsonBody, parseBody } from "./agent-requests.ts";
import type { AssignmentTable, OwnedAgent } from "./assignment-table.ts";
import type { LocalAgents } from "./local-agents.ts";
import { keepMethod } from "./module-shelf.ts";
import type { Reconciler } from "./reconciler.ts";

/** For the other node to fetch the module, and to store a journal of full size. */
const prepare_ms = 30_000;
const store_ms = 60_000;
const settle_ms = 30_000;
/** Between attempts to make sure that a move whose outcome is unknown takes effect no more. */
const fenceAgain_ms = 1_000;

export interface HandOverOptions {
  readonly self: NodeId;
  readonly table: AssignmentTable;
  readonly store: AssignmentStore;
  readonly local: LocalAgents;
  readonly reconciler: Reconciler;
  readonly peers: Peers;
  readonly clock: Clock;
  /** A number that no other hand-over has, above 0. */
  readonly newTransfer: () => number;
  readonly failed: (what: string, reason: string) => void;
}

export class HandOver {
  readonly #options: HandOverOptions;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** Resolves when the agent is the other node's. Throws `conflict`, `unreachable`, `no_quorum`, `payload_too_large`, …. */
  async move(name: AgentName, to: NodeId, cause: AssignmentCause): Promise<void> {
    const { self, table, local, reconciler, peers } = this.#options;
    await reconciler.holding(name, async () => {
      const owned = table.get(name);
      if (owned === undefined || owned.node !== self || local.get(name)?.spec.epoch !== owned.epoch) {
        throw new CaxtonError("conflict", `Agent ${quote(name)} is not this node's to hand over`);
      }
      await this.#demandMovable(owned);
      await this.#askRoom(name, to);
      await peers.request(to, keepMethod, encodeUtf8(owned.spec.module), { timeout_ms: prepare_ms });
      await this.#moveHeld(owned, to, cause);
    });
    await peers
      .request(to, agentMethods.settle, jsonBody({ name }), { timeout_ms: settle_ms })
      .then((answer) => parseBody(emptyAnswer, answer))
      .catch((error: unknown) => {
        // It is the other node's, which tries again by itself.
        this.#options.failed(`start agent ${quote(name)} on node ${quote(to)}`, reasonOf(error));
      });
  }

  /** Before it is stopped for it. What comes in between is looked at once more when it has stopped. */
  async #demandMovable({ agent, spec }: OwnedAgent): Promise<void> {
    if (spec.durability === "volatile") return;
    const bytes = await this.#options.local.measure(agent);
    if (bytes > agentJournalLimit_bytes) throw tooLarge(agent, bytes);
  }

  /** Throws why the other node takes no agents. One of an older program takes them without being asked. */
  async #askRoom(name: AgentName, to: NodeId): Promise<void> {
    try {
      const timeout_ms = prepare_ms;
      await this.#options.peers.request(to, agentMethods.admit, jsonBody({ name }), { timeout_ms });
    } catch (error) {
      if (!(error instanceof CaxtonError) || error.code !== "not_found") throw error;
    }
  }

  async #moveHeld(owned: OwnedAgent, to: NodeId, cause: AssignmentCause): Promise<void> {
    const { self, table, store, local, newTransfer } = this.#options;
    const { agent, epoch, spec } = owned;
    const durable = spec.durability !== "volatile";
    const transfer = durable ? newTransfer() : 0;
    let moved: boolean;
    try {
      const journal = await local.handOver(agent);
      if (durable) await this.#send(to, agent, transfer, encodeAgentJournal(journal));
      const move = { agent, from: self, epoch, to, continues: durable ? epoch : 0, transfer };
      moved = (await store.move({ cause, term: 0, moves: [move] }, "")) === 1;
    } catch (error) {
      if (!(error instanceof CaxtonError) || error.code !== "outcome_unknown") throw error;
      if (!(await this.#fence(owned))) throw error;
      moved = !durable || (await this.#hasMoved(owned, transfer));
    }
    if (!moved)
      throw new CaxtonError("conflict", `Agent ${quote(agent)} was given to another node meanwhile`);
    await table.refresh("linearizable").catch(() => undefined);
    await local.moved(agent);
  }

  async #send(to: NodeId, agent: AgentName, transfer: number, journal: Uint8Array): Promise<void> {
    if (journal.length > agentJournalLimit_bytes) throw tooLarge(agent, journal.length);
    const body = new Writer(journal.length + 128).text(agent).u64(transfer).blob(journal).finish();
    await this.#options.peers.request(to, agentMethods.incoming, body, { timeout_ms: store_ms });
  }

  /**
   * A move may yet be decided: this node's own claim under a higher epoch shuts it out, or comes too late. True when
   * the agent is another's. The agent rests until one or the other is certain.
   */
  async #fence({ agent, epoch }: OwnedAgent): Promise<boolean> {
    const { self, store } = this.#options;
    const move = { agent, from: self, epoch, to: self, continues: epoch, transfer: 0 };
    return await this.#learn(agent, async () => {
      return (await store.move({ cause: "deployed", term: 0, moves: [move] }, "")) === 0;
    });
  }

  /**
   * Whether it went on with what this node sent, or was given away without it, as of a lost node: then what is here is
   * all that there is, and is kept. So it is where it went on and has moved again, which looks the same from here.
   */
  async #hasMoved({ agent, epoch }: OwnedAgent, transfer: number): Promise<boolean> {
    const { table } = this.#options;
    await this.#learn(agent, () => table.refresh("linearizable"));
    const now = table.get(agent);
    return now?.continues === epoch && now.transfer === transfer;
  }

  /** Asks until there is an answer. Throws only `unavailable`. */
  async #learn<T>(agent: AgentName, ask: () => Promise<T>): Promise<T> {
    const { clock, failed } = this.#options;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof CaxtonError && error.code === "unavailable") throw error;
        failed(`learn whether agent ${quote(agent)} has moved`, reasonOf(error));
        await new Promise<void>((resolve) => void clock.after(fenceAgain_ms, resolve));
      }
    }
  }
}

/** Mail is what makes it so large: state is bounded below. */
function tooLarge(agent: AgentName, bytes: number): CaxtonError {
  return new CaxtonError(
    "payload_too_large",
    `Agent ${quote(agent)} has ${formatSize(bytes)} of mail and state, and at most ${formatLimit(agentJournalLimit_bytes)} ` +
      "can be moved: it goes on where it is. Move it once it has handled its mail",
  );
}
