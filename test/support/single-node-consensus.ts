/**
 * Consensus of one node, for tests of what stands on it: the real control state, every proposal committed at
 * once. Faults are told: no quorum, an answer that is lost after or before the command took effect.
 */
import { CaxtonError } from "../../src/base/errors.ts";
import type { ConsensusStatus } from "../../src/cluster/consensus/consensus.ts";
import type { ControlLog } from "../../src/control/control-client.ts";
import { type ControlState, openControlState } from "../../src/control/control-state.ts";
import { type MemoryDatabases, memoryDatabases } from "../../src/platform/memory/database.ts";

export type Fault = "no_quorum" | "lost_before" | "lost_after";

export class SingleNodeConsensus implements ControlLog {
  readonly databases: MemoryDatabases = memoryDatabases();
  readonly state: ControlState = openControlState(this.databases, "control.db");
  readonly faults: Fault[] = [];
  proposals = 0;
  elapsed_ms = 0;
  /** Unix time that the leader stamps. */
  wall_ms = Date.UTC(2026, 0, 1);
  quorum = true;
  readonly #listeners = new Set<(status: ConsensusStatus) => void>();

  leads = true;

  /** Of what is told of consensus only what is asked of it on main: who leads, and what nodes act upon. */
  status(): ConsensusStatus {
    const role = this.leads ? "leader" : "follower";
    const { quorum } = this;
    return { role, ready: this.leads, quorum, term: 1, watched: this.state.watched } as ConsensusStatus;
  }

  /** Somebody else leads, or this node again. */
  setLeads(leads: boolean): void {
    this.leads = leads;
    for (const listener of this.#listeners) listener(this.status());
  }

  onStatus(listener: (status: ConsensusStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async propose(command: Uint8Array): Promise<{ readonly index: number; readonly outcome: Uint8Array }> {
    this.proposals += 1;
    await Promise.resolve();
    const fault = this.quorum ? this.faults.shift() : "no_quorum";
    if (fault === "no_quorum") throw noQuorum();
    if (fault === "lost_before") throw new CaxtonError("outcome_unknown", "The leader was lost");
    const { elapsed_ms, wall_ms } = this;
    const data = this.state.stamp(command, { elapsed_ms, wall_ms });
    const index = this.state.applied.index + 1;
    const [outcome] = this.state.apply([{ index, term: 1, kind: "command", data }]);
    for (const listener of this.#listeners) listener(this.status());
    if (fault === "lost_after") throw new CaxtonError("outcome_unknown", "The leader was lost");
    if (outcome === undefined) throw new Error(`halted: ${this.state.halted?.reason ?? "?"}`);
    return { index, outcome };
  }

  async read(
    query: Uint8Array,
    { consistency }: { readonly consistency: "linearizable" | "local" },
  ): Promise<{ readonly bytes: Uint8Array; readonly appliedIndex: number }> {
    await Promise.resolve();
    if (!this.quorum && consistency === "linearizable") throw noQuorum();
    return { bytes: this.state.query(query), appliedIndex: this.state.applied.index };
  }
}

function noQuorum(): CaxtonError {
  return new CaxtonError("no_quorum", "No quorum of voters is reachable: nothing was proposed");
}
