/**
 * A node's part in partitions, put together: the monitor that says on which side it is, what its policy does about
 * that, the queue of writes, drills, and what operators and other nodes are told of all of it.
 */
import { counted } from "../../base/counted.ts";
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type {
  NodeReport,
  PartitionGroup,
  PartitionOverview,
  PartitionReport,
  PartitionService,
  QueuedWriteView,
  Rehearsal,
  WriteToQueue,
} from "../../api/partition-service.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { PartitionMonitor, PartitionView } from "../../cluster/partition-monitor.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { PartitionAction } from "../../ownership/partition-policy.ts";
import { type PartitionMap, partitionMap } from "../../ownership/partition-map.ts";
import type { QueuedSince } from "../../store/queued-writes-table.ts";
import type { Page } from "../../store/store.ts";
import type { UnheardNodes } from "../ownership/unheard-nodes.ts";
import type { PartitionActions } from "./actions.ts";
import { nodeReportSchema } from "./report.ts";
import type { Rehearsals } from "./rehearsal.ts";
import { answerSights, askAround, askSights, sightOf } from "./sight.ts";
import type { WriteQueue } from "./write-queue.ts";

const request_ms = 3_000;
/** Writes of one node in a report; the counts are of all. */
const reportedWrites = 200;

const sinceSchema = v.strictObject({
  since_ms: v.pipe(v.number(), v.minValue(0)),
  after: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
});
const emptySchema = v.strictObject({});

export interface NodePartitionOptions {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly monitor: PartitionMonitor;
  readonly actions: PartitionActions;
  readonly queue: WriteQueue;
  readonly rehearsals: Rehearsals;
  /** Which nodes the leader does not hear. */
  readonly unheard: Pick<UnheardNodes, "list">;
  readonly queueWrites: boolean;
  readonly servesReads: boolean;
}

export class NodePartition implements PartitionService {
  readonly #options: NodePartitionOptions;
  readonly servesReads: boolean;

  constructor(options: NodePartitionOptions) {
    this.#options = options;
    this.servesReads = options.servesReads;
    const { peers, monitor, queue } = options;
    answerSights(peers, () => monitor.view());
    peers.handle("partition.report", async (body) =>
      jsonBody(await this.ownReport(parseBody(sinceSchema, body))),
    );
    peers.handle("partition.replay", (body) => {
      parseBody(emptySchema, body);
      queue.replay();
      return Promise.resolve(jsonBody({}));
    });
  }

  get minority(): boolean {
    return this.#options.monitor.minority;
  }

  get action(): PartitionAction | null {
    return this.#options.actions.action;
  }

  get holdsWrites(): boolean {
    const { monitor, queue } = this.#options;
    return monitor.minority || queue.depth > 0;
  }

  settled(): Promise<void> {
    return this.#options.monitor.settled();
  }

  drained(timeout_ms: number): Promise<boolean> {
    return this.#options.queue.drained(timeout_ms);
  }

  async accept(write: WriteToQueue): Promise<QueuedWriteView> {
    const { self, queue, queueWrites } = this.#options;
    if (queueWrites) return await queue.accept(write);
    throw new CaxtonError(
      "no_quorum",
      `Node "${self}" is cut off from the majority, and coordination.partition.queue_writes is off: nothing was kept`,
    );
  }

  async overview(): Promise<PartitionOverview> {
    const { self, monitor, queue, unheard } = this.#options;
    const view = monitor.view();
    const { state, since_ms, voters, votersReached, needed, leaderNode } = view;
    return {
      node: self,
      state,
      since_ms,
      leader: leaderNode,
      ...(await this.#map(view)),
      unheard: unheard.list().map(({ node, by }) => ({ node, by })),
      voters_reached: votersReached,
      voters: voters.length,
      needed,
      action: this.action,
      queued: queue.depth,
    };
  }

  async writes(options: {
    readonly limit: number;
    readonly cursor: string | null;
  }): Promise<Page<QueuedWriteView>> {
    return await this.#options.queue.list({ ...options, since_ms: 0, after: 0 });
  }

  write(id: string): Promise<QueuedWriteView> {
    return this.#options.queue.get(id);
  }

  async report(since_ms: number, after: ReadonlyMap<NodeId, number> = new Map()): Promise<PartitionReport> {
    const sinceOf = (node: NodeId): QueuedSince => ({ since_ms, after: after.get(node) ?? 0 });
    const { self, membership } = this.#options;
    const nodes: NodeReport[] = [];
    const missing: { node: NodeId; reason: string }[] = [];
    const asked = membership.members().filter(({ id, status }) => id !== self && status !== "left");
    const answers = asked.map(async ({ id: node, status }) => {
      if (status === "failed") missing.push({ node, reason: "it is not reached" });
      else
        await this.#askReport(node, sinceOf(node)).then(
          (report) => nodes.push(report),
          (error: unknown) => missing.push({ node, reason: reasonOf(error) }),
        );
    });
    nodes.push(await this.ownReport(sinceOf(self)));
    await Promise.all(answers);
    const byName = (a: { node: NodeId }, b: { node: NodeId }): number => (a.node < b.node ? -1 : 1);
    return { nodes: nodes.sort(byName), missing: missing.sort(byName) };
  }

  async ownReport(since: QueuedSince): Promise<NodeReport> {
    const { self, monitor, queue } = this.#options;
    // Asked for together, so that both are of one moment.
    const [page, counts] = await Promise.all([
      queue.list({ limit: reportedWrites, cursor: null, ...since }),
      queue.counts(since),
    ]);
    return { node: self, state: monitor.state, counts, writes: page.items, more: page.next !== null };
  }

  async resolve({
    prefer,
    drop,
  }: {
    readonly prefer: "majority" | NodeId;
    readonly drop: boolean;
  }): Promise<readonly string[]> {
    const { self, membership, monitor, queue } = this.#options;
    const view = monitor.view();
    const { reached, unreached } = view;
    if (prefer !== "majority") this.#checkPreferred(prefer, (await this.#map(view)).groups);
    const lines: string[] = [];
    if (drop) {
      const dropped = await queue.drop(`Dropped by an operator at ${self} with resolve-partition`);
      lines.push(`Dropped ${dropped} queued writes at ${self}; each is in the report as refused`);
    }
    const lost = unreached.flatMap((node) => membership.member(node) ?? []);
    membership.join(lost.map(({ address }) => address));
    for (const { id } of lost) lines.push(`Trying ${id} again`);
    if (monitor.minority) {
      if (queue.depth > 0)
        lines.push(
          `${counted(queue.depth, "write")} ${queue.depth === 1 ? "waits" : "wait"} at ${self} until a majority is reached`,
        );
    } else {
      if (queue.depth > 0) lines.push(`Replaying ${queue.depth} queued writes at ${self}`);
      queue.replay();
      await this.#hasten(reached.filter((node) => node !== self));
    }
    if (unreached.length === 0 && lines.length === 0) lines.push("No partition detected: nothing to resolve");
    return lines;
  }

  rehearse(options: {
    readonly isolate: readonly NodeId[];
    readonly duration_ms: number;
    readonly force: boolean;
  }): Promise<Rehearsal> {
    return this.#options.rehearsals.command(options.isolate, options.duration_ms, options.force);
  }

  rehearsal(): Rehearsal | null {
    return this.#options.rehearsals.latest;
  }

  #checkPreferred(prefer: NodeId, groups: readonly PartitionGroup[]): void {
    const group = groups.find(({ nodes }) => nodes.includes(prefer));
    if (group === undefined) throw new CaxtonError("node_not_found", `No node "${prefer}" is known`);
    if (group.side === "majority" || groups.length === 1) return;
    throw new CaxtonError(
      "conflict",
      `The side of ${prefer} (${group.nodes.join(", ")}) has no quorum, so it decided nothing that could be preferred; ` +
        "preferring it would undo what the majority acknowledged. Its queued writes are replayed when it is back",
    );
  }

  /** By what the nodes in reach say of themselves, to this node or to one that passes it on. */
  async #map(view: PartitionView): Promise<PartitionMap> {
    const { self, peers } = this.#options;
    const asked = view.reached.filter((node) => node !== self);
    const own = sightOf(view);
    // One of an earlier program is in reach, so on this node's side.
    const { minority } = own;
    const answers = await askSights(peers, asked, (unreached) => ({ minority, leader: null, unreached }));
    const silent = new Set([...answers].flatMap(([node, sight]) => (sight === null ? [node] : [])));
    return partitionMap({
      self,
      own,
      alive: view.reached,
      failed: view.unreached,
      voters: view.voters,
      others: await askAround(peers, answers, view.unreached),
      silent,
    });
  }

  async #askReport(node: NodeId, since: QueuedSince): Promise<NodeReport> {
    const { peers } = this.#options;
    // An older program refuses to be asked for a position.
    const asked = jsonBody(since.after === 0 ? { since_ms: since.since_ms } : since);
    const body = await peers.request(node, "partition.report", asked, { timeout_ms: request_ms });
    const report = parseBody(nodeReportSchema, body);
    if (report.node !== node) throw new CaxtonError("internal", `It answered for ${report.node}`);
    return report;
  }

  /** Nodes that are back replay by themselves; this spares them a wait between two tries. */
  async #hasten(nodes: readonly NodeId[]): Promise<void> {
    const { peers } = this.#options;
    const ask = (node: NodeId): Promise<unknown> =>
      peers
        .request(node, "partition.replay", jsonBody({}), { timeout_ms: request_ms })
        .catch(() => undefined);
    await Promise.all(nodes.map(ask));
  }
}
