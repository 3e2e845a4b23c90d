/** Starts what a node does about partitions, and tells its log and events of it. */
import { uuidv7 } from "uuidv7";
import type { GoingOn } from "../../agents/goes-on.ts";
import { counted } from "../../base/counted.ts";
import type { QueuedWriteView } from "../../api/partition-service.ts";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { CutOrder } from "../../cluster/network-cut.ts";
import { PartitionMonitor } from "../../cluster/partition-monitor.ts";
import type { Config } from "../../config/keys.ts";
import type { PartitionAction, PartitionFacts } from "../../ownership/partition-policy.ts";
import type { PartitionChange } from "../../ownership/partition-state.ts";
import { systemClock } from "../../platform/node/clock.ts";
import type { ClusterKeys } from "../../security/jwks.ts";
import type { Principal } from "../../security/tokens.ts";
import type { QueuedWriteOutcome } from "../../store/queued-writes-table.ts";
import { logger } from "../../telemetry/log.ts";
import type { Control } from "../control.ts";
import type { EventLog } from "../events/event-log.ts";
import type { Foundation } from "../foundation.ts";
import type { Network } from "../network.ts";
import { PartitionActions } from "./actions.ts";
import { LostPairs } from "./lost-pairs.ts";
import { NodePartition } from "./service.ts";
import { Rehearsals } from "./rehearsal.ts";
import type { Perform } from "./replay-round.ts";
import { WriteQueue } from "./write-queue.ts";

/** Applied writes of one replay that are told one by one; the others are in the report. */
const toldApplied_max = 1_000;

export interface PartitionParts {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly consensus: {
    readonly consensus: Consensus & { cut(order: CutOrder): void; giveUp(): Promise<void> };
  };
  readonly control: Pick<Control, "kv" | "unheard">;
  readonly events: EventLog;
  readonly keys: ClusterKeys;
  readonly failed: (what: string, reason: string) => void;
}

export interface PartitionCounters {
  /** Times that this node fell into a minority, and got out of it. */
  lost: number;
  healed: number;
  rehearsals: number;
  readonly outcomes: Record<QueuedWriteOutcome, number>;
}

export class Partition {
  readonly counters: PartitionCounters = {
    lost: 0,
    healed: 0,
    rehearsals: 0,
    outcomes: { applied: 0, conflicted: 0, refused: 0, expired: 0 },
  };
  readonly monitor: PartitionMonitor;
  readonly #parts: PartitionParts;
  readonly #actions: PartitionActions;
  #queue: WriteQueue | undefined;
  #service: NodePartition | undefined;
  #rehearsals: Rehearsals | undefined;
  #pairs: LostPairs | undefined;
  #toldApplied = 0;
  #critical: () => boolean = () => false;
  #goOn: (who: GoingOn) => void = () => undefined;

  static async start(parts: PartitionParts): Promise<Partition> {
    const partition = new Partition(parts);
    await partition.#open();
    return partition;
  }

  private constructor(parts: PartitionParts) {
    this.#parts = parts;
    const { config, foundation, network, consensus, events } = parts;
    const { partition } = config.coordination;
    this.#actions = new PartitionActions({
      settings: partition,
      node: foundation.self,
      facts: () => this.#facts(),
      decided: (action, why) => {
        const text = `Partition policy: ${action} (by ${why})`;
        logger("partition").warn(text);
        events.record("warn", "partition.action", text, { action, why });
      },
      applied: (action) => this.#goOn(goingOnBy(action)),
      handlerFailed: (reason) => {
        const text = `The partition handler gave no decision, so the configured ones count: ${reason}`;
        logger("partition").warn(text);
        events.record("warn", "partition.handler_failed", text, { reason });
      },
    });
    this.monitor = new PartitionMonitor({
      consensus: consensus.consensus,
      membership: network.membership,
      clock: systemClock,
      detection_ms: partition.detection_timeout,
      quorumSize: partition.quorum_size ?? 0,
    });
  }

  /** For the API; from `start` on. */
  get service(): NodePartition {
    if (this.#service === undefined) throw new Error("Partition.service before its start");
    return this.#service;
  }

  get queued(): number {
    return this.#queue?.depth ?? 0;
  }

  /**
   * This node is in a minority, or takes part in a drill that cuts it off from that node. On a majority's side a node
   * that is cut off cannot be told from one that is gone: mail for it waits as `messaging.retry` says.
   */
  isCutOff(node: NodeId): boolean {
    return this.monitor.minority || (this.#rehearsals?.cutsOff(node) ?? false);
  }

  /**
   * The API is there: what waits can be done. `critical` tells whether a critical agent is on this node; `goOn`
   * which agents go on, of those that may without a lease.
   */
  serve(perform: Perform, critical: () => boolean, goOn: (who: GoingOn) => void): void {
    this.#critical = critical;
    this.#goOn = goOn;
    goOn(goingOnBy(this.#actions.action));
    this.#actions.changed(this.monitor.state, false);
    this.#queue?.start(perform);
  }

  async close(): Promise<void> {
    this.monitor.close();
    this.#pairs?.close();
    this.#rehearsals?.close();
    await this.#queue?.close();
  }

  async #open(): Promise<void> {
    const { config, foundation, network, consensus, control, events, failed } = this.#parts;
    const { partition } = config.coordination;
    const { self } = foundation;
    const queue = await WriteQueue.open({
      self,
      store: foundation.store.client.queuedWrites,
      clock: systemClock,
      limit: partition.max_queued_writes,
      newId: uuidv7,
      mayReplay: () => !this.monitor.minority && consensus.consensus.status().quorum,
      revoked: (principal) => this.#revoked(principal),
      together: (requests) => control.kv.together(requests),
      settled: (write) => this.#settled(write),
      dropped: (count, detail) => this.#dropped(count, detail),
      changed: () => this.#actions.changed(this.monitor.state, false),
      began: (waiting) =>
        this.#tell("info", "partition.replaying", `Replaying ${counted(waiting, "queued message")}`, {
          waiting,
        }),
      ended: (outcomes) => void this.#ended(outcomes),
      failed,
    });
    this.#queue = queue;
    const { membership } = network;
    this.#pairs = new LostPairs({ membership, monitor: this.monitor, events, clock: systemClock });
    this.#rehearsals = new Rehearsals({
      self,
      membership: network.membership,
      peers: network.peers,
      clock: systemClock,
      monitor: this.monitor,
      events,
      cut: (order) => {
        this.counters.rehearsals++;
        network.cut(order);
        consensus.consensus.cut(order);
      },
      newId: uuidv7,
      position: () => queue.position(),
      report: (after) => this.service.report(0, after),
    });
    this.#service = new NodePartition({
      self,
      membership: network.membership,
      peers: network.peers,
      monitor: this.monitor,
      actions: this.#actions,
      queue,
      rehearsals: this.#rehearsals,
      unheard: control.unheard,
      queueWrites: partition.queue_writes,
      servesReads: partition.degraded_mode,
    });
    this.monitor.onChange((change) => this.#changed(change));
    consensus.consensus.onStatus(({ quorum }) => {
      if (quorum) queue.replay();
      // Who votes, as decisions look at it.
      if (this.monitor.minority) this.#actions.changed(this.monitor.state, false);
    });
    network.membership.subscribe((event) => {
      if ("member" in event && event.kind !== "updated") this.#actions.changed(this.monitor.state, false);
    });
  }

  #changed({ from, to }: PartitionChange): void {
    const { self } = this.#parts.foundation;
    const isCut = (state: PartitionChange["to"]): boolean => state === "minority" || state === "isolated";
    const { votersReached, voters, needed } = this.monitor.view();
    this.#actions.changed(to, true);
    if (isCut(to) && !isCut(from)) {
      this.counters.lost++;
      // From now on writes are queued: those that wait end with what is true of them, and are queued if nobody has them.
      void this.#parts.consensus.consensus
        .giveUp()
        .catch((error: unknown) => this.#parts.failed("end what waits for a leader", reasonOf(error)));
      const reach =
        votersReached < needed
          ? `${votersReached} of ${voters.length} voters in reach, ${needed} needed`
          : "no leader with a quorum is heard";
      this.#tell("warn", "partition.minority", `Node ${self} entering degraded mode: ${reach}`, { from, to });
    } else if (isCut(from) && !isCut(to)) {
      this.counters.healed++;
      this.#tell("info", "partition.healed", "Partition healed, merging state", { from, to });
      if (this.queued > 0) this.#queue?.replay();
      else void this.#synchronized();
    } else if (isCut(to)) {
      const isAlone = to === "isolated";
      const text = isAlone ? "is isolated now" : "reaches others again, and no majority yet";
      this.#tell(isAlone ? "warn" : "info", "partition.minority", `Node ${self} ${text}`, { from, to });
    }
  }

  #settled(write: QueuedWriteView): void {
    const { outcomes } = this.counters;
    if (write.state === "queued" || write.state === "replaying") return;
    outcomes[write.state]++;
    if (write.state === "applied" && ++this.#toldApplied > toldApplied_max) return;
    const detail = write.detail === "" ? "" : `: ${write.detail}`;
    const text = `Queued write ${write.id} (${write.method} ${write.path.split("?", 1)[0] ?? ""}) ${write.state}${detail}`;
    const { id, state, principal } = write;
    this.#tell(state === "applied" ? "info" : "warn", "partition.write", text, { id, state, principal });
  }

  /** Told as one: an operator may give up thousands. */
  #dropped(count: number, detail: string): void {
    this.counters.outcomes.refused += count;
    const text = `${counted(count, "queued write")} refused: ${detail}`;
    this.#tell("warn", "partition.dropped", text, { count });
  }

  async #ended(outcomes: Readonly<Record<QueuedWriteOutcome, number>>): Promise<void> {
    this.#toldApplied = 0;
    const { applied, conflicted, refused, expired } = outcomes;
    const text =
      `Replayed ${counted(applied + conflicted + refused + expired, "queued write")}: ${applied} applied, ` +
      `${conflicted} conflicted, ${refused} refused, ${expired} expired`;
    this.#tell("info", "partition.replayed", text, { ...outcomes });
    await this.#synchronized();
  }

  /** Only when this node's own replica has all that was decided until now. */
  async #synchronized(): Promise<void> {
    try {
      await this.#parts.control.kv.list({ prefix: "", after: "", limit: 1 }, "linearizable");
      this.#tell("info", "partition.synchronized", "Cluster synchronized", {});
    } catch {
      // Cut off again: the next heal tells.
    }
  }

  #revoked({ keyId }: Principal): string | null {
    const known = this.#parts.keys.all().some(({ kid }) => kid === keyId);
    return known ? null : "The key that signed its token is not one of this cluster any more";
  }

  #facts(): PartitionFacts {
    const { reached, votersReached, needed } = this.monitor.view();
    return {
      nodes: reached.length,
      quorum: needed,
      voters: votersReached,
      queued_writes: this.queued,
      critical_agents_present: this.#critical(),
    };
  }

  #tell(level: "info" | "warn", type: string, text: string, data: Readonly<Record<string, unknown>>): void {
    const log = logger("partition");
    if (level === "warn") log.warn(text);
    else log.info(text);
    this.#parts.events.record(level, type, text, data);
  }
}

/** A minority that is to stop stops for all. */
function goingOnBy(action: PartitionAction | null): GoingOn {
  if (action === "stop") return "none";
  return action === "continue-critical" ? "critical" : "all";
}
