/**
 * On which side of a partition this node is, as it goes on: the rule of `ownership/partition-state.ts` driven by what
 * the raft thread and the gossip thread report. It judges and tells, and changes nothing by itself.
 */
import type { NodeId } from "../base/ids.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import {
  type Contacts,
  type PartitionChange,
  type PartitionState,
  PartitionWatch,
  votersNeeded,
} from "../ownership/partition-state.ts";
import type { Consensus, ConsensusStatus } from "./consensus/consensus.ts";
import type { Membership } from "./membership.ts";

export interface PartitionMonitorOptions {
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly membership: Pick<Membership, "self" | "members" | "subscribe">;
  readonly clock: Clock;
  readonly detection_ms: number;
  /** 0: Raft's majority and no more. */
  readonly quorumSize: number;
}

/** What this node sees of the others. */
export interface PartitionView {
  readonly state: PartitionState;
  /** Unix ms. */
  readonly since_ms: number;
  /** This node among them; those that left are in neither. */
  readonly reached: readonly NodeId[];
  readonly unreached: readonly NodeId[];
  /** Of those in reach, by way of others at least: the raft threads have no stream to each other, for some time. */
  readonly silent: readonly NodeId[];
  readonly voters: readonly NodeId[];
  readonly votersReached: number;
  /** Voters that are needed. */
  readonly needed: number;
  /** A leader with a quorum is heard now, whatever the state says of lately. */
  readonly leader: boolean;
  /** Which, while one is heard. */
  readonly leaderNode: NodeId | null;
}

/** A stream that is lost is dialled anew at once: what takes longer is told. */
const silent_ms = 2_000;

type Listener = (change: PartitionChange) => void;

export class PartitionMonitor {
  readonly #options: PartitionMonitorOptions;
  readonly #watch: PartitionWatch;
  readonly #listeners = new Set<Listener>();
  readonly #unsubscribe: readonly (() => void)[];
  /** Since when the raft thread has had no stream to each of the others, on the monotonic clock. */
  readonly #silentSince_ms = new Map<NodeId, number>();
  #timer: Timer | undefined;
  #since_ms: number;

  constructor(options: PartitionMonitorOptions) {
    this.#options = options;
    const { consensus, membership, clock, detection_ms } = options;
    this.#since_ms = clock.wall_ms();
    this.#watch = new PartitionWatch(detection_ms, "healthy", clock.now_ms());
    this.#unsubscribe = [
      consensus.onStatus(() => this.#judge()),
      membership.subscribe((event) => {
        if ("member" in event && event.kind !== "updated") this.#judge();
      }),
    ];
    this.#judge();
  }

  get state(): PartitionState {
    return this.#watch.state;
  }

  /** Cut off from the quorum: in a minority, or alone. */
  get minority(): boolean {
    return this.state === "minority" || this.state === "isolated";
  }

  view(): PartitionView {
    const { members, reachable, self, leader, voterSets, quorumSize } = this.#contacts();
    const { consensus, clock } = this.#options;
    const before_ms = clock.now_ms() - silent_ms;
    const isSilent = (node: NodeId): boolean =>
      (this.#silentSince_ms.get(node) ?? Number.POSITIVE_INFINITY) <= before_ms;
    const inReach = (node: NodeId): boolean => node === self || reachable.has(node);
    const voters = voterSets[0] ?? [];
    return {
      state: this.state,
      since_ms: this.#since_ms,
      reached: members.filter(inReach),
      unreached: members.filter((node) => !inReach(node)),
      silent: members.filter((node) => inReach(node) && isSilent(node)),
      voters,
      votersReached: voters.filter(inReach).length,
      needed: votersNeeded(voters.length, quorumSize),
      leader,
      leaderNode: leader ? consensus.status().leader : null,
    };
  }

  /** Told of each change of state. Returns what ends it. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Resolves when it is clear whether the loss of quorum that is seen now is a partition: at once when it is
   * known already, otherwise with the change of state or the quorum's return, within the detection time.
   */
  async settled(): Promise<void> {
    const { consensus, clock, detection_ms } = this.#options;
    if (this.minority || consensus.status().quorum) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = [this.onChange(() => resolve()), consensus.onStatus(({ quorum }) => quorum && resolve())];
    // The watch's own timer comes first; this is for a clock that it does not share.
    const timer = clock.after(detection_ms + 100, resolve);
    await promise;
    timer.cancel();
    for (const end of stop) end();
  }

  close(): void {
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
    this.#listeners.clear();
  }

  #contacts(): Contacts {
    const { consensus, membership, quorumSize } = this.#options;
    const { members: parts, quorum: leader } = consensus.status();
    const members = membership.members().filter(({ status }) => status !== "left");
    const alive = members.filter(({ status }) => status === "alive" || status === "suspect");
    return {
      self: membership.self,
      members: members.map(({ id }) => id),
      leader,
      // A node that takes part anew is there twice while its vote changes hands.
      voterSets: [[...new Set(parts.filter(({ role }) => role !== "learner").map(({ node }) => node))]],
      reachable: new Set(alive.map(({ id }) => id)),
      quorumSize,
    };
  }

  #judge(): void {
    const { consensus, clock } = this.#options;
    const { members } = consensus.status();
    // Before it is in a cluster it is in no part of one.
    if (members.length === 0) return;
    const now_ms = clock.now_ms();
    this.#noteStreams(members, now_ms);
    const change = this.#watch.judge(this.#contacts(), now_ms);
    this.#timer?.cancel();
    const due_ms = this.#watch.due_ms();
    this.#timer =
      due_ms === null ? undefined : clock.after(Math.max(1, due_ms - now_ms), () => this.#judge());
    if (change === null) return;
    this.#since_ms = clock.wall_ms();
    for (const listener of [...this.#listeners]) listener(change);
  }

  #noteStreams(members: ConsensusStatus["members"], now_ms: number): void {
    const without = new Set(members.filter(({ contact }) => !contact).map(({ node }) => node));
    for (const node of this.#silentSince_ms.keys()) if (!without.has(node)) this.#silentSince_ms.delete(node);
    for (const node of without) if (!this.#silentSince_ms.has(node)) this.#silentSince_ms.set(node, now_ms);
  }
}
