/**
 * This node's copy of who owns which agent, read from its replica of the control state whenever that says that
 * something changed. Authority as of what was applied here: it may be late, and then its epochs are lower.
 */
import { reasonOf } from "../base/errors.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Consensus } from "../cluster/consensus/consensus.ts";
import type { AssignmentStore } from "../control/assignment-store.ts";
import type { Consistency } from "../control/control-client.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { Assignment, AssignmentsPage } from "../wire/control-assignments.ts";
import { parseSpec } from "./agent-requests.ts";

/** An assignment with its specification read, under the assignment's epoch and revision. */
export interface OwnedAgent extends Omit<Assignment, "spec"> {
  readonly spec: AgentSpec;
}

/**
 * An assignment whose specification this node cannot read: of a later version, or broken. Nothing is done for it, and
 * it can be removed or deployed over.
 */
export interface UnreadableAgent extends Assignment {
  readonly reason: string;
}

/** The part of consensus that is needed here. */
export type Watched = Pick<Consensus, "status" | "onStatus">;

/** After a read that failed. */
const again_ms = 500;
/** Agents removed that are remembered as such, so that a copy that is found here is no stranger. */
const removedLimit = 10_000;

export class AssignmentTable {
  readonly #store: Pick<AssignmentStore, "since">;
  readonly #clock: Clock;
  readonly #consensus: Watched;
  readonly #failed: (what: string, reason: string) => void;
  readonly #owned = new Map<AgentName, OwnedAgent>();
  readonly #unreadable = new Map<AgentName, UnreadableAgent>();
  readonly #byNode = new Map<NodeId, Set<AgentName>>();
  readonly #removed = new Set<AgentName>();
  readonly #listeners = new Set<(changed: readonly AgentName[]) => void>();
  readonly #unsubscribe: () => void;
  #seen = 0;
  #watched = -1;
  #reading: Promise<void> | null = null;
  /** Asked for while a read ran that may have begun before what they ask for was applied: one for all of them. */
  readonly #next: { -readonly [C in Consistency]: Promise<void> | null } = {
    local: null,
    linearizable: null,
  };
  #again: Timer | undefined;
  #closed = false;

  constructor(
    store: Pick<AssignmentStore, "since">,
    consensus: Watched,
    clock: Clock,
    failed: (what: string, reason: string) => void,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#consensus = consensus;
    this.#failed = failed;
    this.#unsubscribe = consensus.onStatus(({ watched }) => {
      if (watched !== this.#watched) this.#follow();
    });
  }

  get size(): number {
    return this.#owned.size;
  }

  get(agent: AgentName): OwnedAgent | undefined {
    return this.#owned.get(agent);
  }

  unreadable(agent: AgentName): UnreadableAgent | undefined {
    return this.#unreadable.get(agent);
  }

  allUnreadable(): IterableIterator<UnreadableAgent> {
    return this.#unreadable.values();
  }

  all(): IterableIterator<OwnedAgent> {
    return this.#owned.values();
  }

  /** Names of the agents that the node owns. */
  of(node: NodeId): ReadonlySet<AgentName> {
    return this.#byNode.get(node) ?? new Set();
  }

  owners(): IterableIterator<NodeId> {
    return this.#byNode.keys();
  }

  counts(): ReadonlyMap<NodeId, number> {
    return new Map([...this.#byNode].map(([node, agents]) => [node, agents.size]));
  }

  /** It was assigned while this node looked, and is not any more. */
  wasRemoved(agent: AgentName): boolean {
    return this.#removed.has(agent);
  }

  /** Names whose assignment changed or ended. */
  subscribe(listener: (changed: readonly AgentName[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads what changed. `linearizable`: everything that was decided before the call, from whichever node.
   * Throws as the control client.
   */
  refresh(consistency: Consistency = "local"): Promise<void> {
    const next = this.#next.linearizable ?? this.#next[consistency];
    if (next !== null) return next;
    return this.#reading === null ? this.#run(consistency) : this.#runNext(consistency);
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#again?.cancel();
  }

  async #runNext(consistency: Consistency): Promise<void> {
    const turn = (async () => {
      while (this.#reading !== null) await this.#reading.catch(() => undefined);
      this.#next[consistency] = null;
      await this.#run(consistency);
    })();
    this.#next[consistency] = turn;
    await turn;
  }

  async #run(consistency: Consistency): Promise<void> {
    const reading = this.#read(consistency);
    this.#reading = reading;
    try {
      await reading;
    } catch (error) {
      this.#again?.cancel();
      this.#again = this.#clock.after(again_ms, () => this.#follow());
      throw error;
    } finally {
      if (this.#reading === reading) this.#reading = null;
    }
    // What was told while it ran.
    if (this.#consensus.status().watched !== this.#watched) this.#follow();
  }

  #follow(): void {
    if (this.#closed || this.#reading !== null) return;
    this.refresh().catch((error: unknown) => {
      this.#failed("read the assignments of agents", reasonOf(error));
    });
  }

  async #read(consistency: Consistency): Promise<void> {
    const { watched } = this.#consensus.status();
    const changed = new Set<AgentName>();
    try {
      let total = await this.#pages(consistency, changed);
      if (total !== this.#owned.size + this.#unreadable.size) {
        // Removals were missed: everything is read anew.
        const before = new Set([...this.#owned.keys(), ...this.#unreadable.keys()]);
        this.#seen = 0;
        total = await this.#pages(consistency, changed, before);
        for (const agent of before) this.#remove(agent, changed);
      }
      this.#watched = watched;
    } finally {
      if (changed.size > 0 && !this.#closed) this.#tell([...changed]);
    }
  }

  async #pages(consistency: Consistency, changed: Set<AgentName>, missing?: Set<AgentName>): Promise<number> {
    for (;;) {
      const page = await this.#store.since(this.#seen, consistency);
      this.#take(page, changed);
      for (const { agent } of page.assignments) missing?.delete(agent);
      if (!page.more) return page.total;
    }
  }

  #take({ assignments, removed, more }: AssignmentsPage, changed: Set<AgentName>): void {
    for (const assignment of assignments) {
      this.#seen = Math.max(this.#seen, assignment.changed);
      this.#put(assignment, changed);
    }
    for (const { agent, changed: number } of removed) {
      const known = this.#known(agent);
      if (known !== undefined && known.changed < number) this.#remove(agent, changed);
      if (!more) this.#seen = Math.max(this.#seen, number);
    }
  }

  #known(agent: AgentName): OwnedAgent | UnreadableAgent | undefined {
    return this.#owned.get(agent) ?? this.#unreadable.get(agent);
  }

  #put(assignment: Assignment, changed: Set<AgentName>): void {
    const { spec: bytes, ...rest } = assignment;
    const { agent, node, epoch, revision } = rest;
    const known = this.#known(agent);
    if (known !== undefined && known.changed >= rest.changed) return;
    this.#forget(agent);
    try {
      const spec: AgentSpec = { ...parseSpec(bytes), name: agent, epoch, revision };
      const agents = this.#byNode.get(node) ?? new Set();
      this.#byNode.set(node, agents.add(agent));
      this.#owned.set(agent, { ...rest, spec });
    } catch (error) {
      const reason = reasonOf(error);
      this.#unreadable.set(agent, { ...assignment, reason });
      this.#failed(`read the specification of agent "${agent}"`, reason);
    }
    this.#removed.delete(agent);
    changed.add(agent);
  }

  #forget(agent: AgentName): void {
    const node = this.#owned.get(agent)?.node;
    this.#owned.delete(agent);
    this.#unreadable.delete(agent);
    if (node === undefined) return;
    const agents = this.#byNode.get(node);
    agents?.delete(agent);
    if (agents?.size === 0) this.#byNode.delete(node);
  }

  #remove(agent: AgentName, changed: Set<AgentName>): void {
    if (this.#known(agent) === undefined) return;
    this.#forget(agent);
    this.#removed.add(agent);
    if (this.#removed.size > removedLimit) {
      const [oldest] = this.#removed;
      if (oldest !== undefined) this.#removed.delete(oldest);
    }
    changed.add(agent);
  }

  #tell(changed: readonly AgentName[]): void {
    for (const listener of this.#listeners) listener(changed);
  }
}
