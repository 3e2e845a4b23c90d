/** `/api/v1/cluster/…`, a method a route. */
import type { BalanceAnswer, PlanAnswer, RebalanceAnswer } from "../api/cluster/balance.ts";
import type { LeaderAnswer, TransferAnswer } from "../api/cluster/leader.ts";
import type { MembersAnswer } from "../api/cluster/members.ts";
import type { OverviewAnswer, ReportAnswer, ResolveAnswer } from "../api/cluster/partition.ts";
import type { RehearsalAnswer } from "../api/cluster/rehearsal.ts";
import type { CompareAnswer, VerifyAnswer } from "../api/cluster/state-checks.ts";
import type { PerformanceAnswer, PingAnswer, StatusAnswer, VerifyAuthAnswer } from "../api/cluster/status.ts";
import { formatDuration } from "../base/durations.ts";
import { allPages, pageLimit } from "./pages.ts";
import type { Transport } from "./transport.ts";

const verify_ms = 300_000;
const rebalance_ms = 660_000;

export class ClusterClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Every member, by id, with the answering node's name and clock. */
  async members(): Promise<Omit<MembersAnswer, "next_cursor">> {
    let first: MembersAnswer | undefined;
    const members = await allPages(
      async (cursor) => {
        const query = { limit: pageLimit, cursor };
        const page = await this.#transport.json<MembersAnswer>({
          method: "GET",
          path: "/api/v1/cluster/members",
          query,
        });
        first ??= page;
        return page;
      },
      (page) => page.members,
    );
    const { self = "", now = "", list_version = "", isolated = [] } = first ?? {};
    return { self, now, list_version, isolated, members };
  }

  status(): Promise<StatusAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/status" });
  }

  ping(node: string): Promise<PingAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/ping", query: { node } });
  }

  verifyAuth(): Promise<VerifyAuthAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/verify-auth" });
  }

  performance(): Promise<PerformanceAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/performance" });
  }

  /** Resolves when the node is on its way out; `node` undefined is the one that answers. */
  leave(options: {
    readonly node?: string;
    readonly drainTimeout_ms: number;
    /** Its agents go to others first; else they are expected back with it. */
    readonly handOver: boolean;
    /** Even where the others lose their quorum with it. */
    readonly force?: boolean;
  }): Promise<{ node: string; status: "leaving" }> {
    const { node, drainTimeout_ms, handOver, force = false } = options;
    const json = {
      node,
      drain_timeout: formatDuration(drainTimeout_ms),
      hand_over: handOver,
      ...(force ? { force } : {}),
    };
    return this.#transport.json({
      method: "POST",
      path: "/api/v1/cluster/leave",
      json,
      patience_ms: options.drainTimeout_ms,
    });
  }

  remove(node: string, force: boolean): Promise<{ node: string; status: "removed" }> {
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/remove", json: { node, force } });
  }

  leader(): Promise<LeaderAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/leader" });
  }

  /** `to` undefined: the voter that is furthest. Resolves when it leads. */
  transferLeadership(to?: string): Promise<TransferAnswer> {
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/leader", json: { to } });
  }

  compareState(): Promise<CompareAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/compare-state" });
  }

  /** All nodes unless one is named. A deep check reads every row: it takes its time. */
  verify(options: { readonly node?: string; readonly deep: boolean }): Promise<VerifyAnswer> {
    const { node, deep } = options;
    return this.#transport.json({
      method: "GET",
      path: "/api/v1/cluster/verify",
      query: { node, deep },
      patience_ms: deep ? verify_ms : 0,
    });
  }

  partition(): Promise<OverviewAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/partition" });
  }

  /** Of writes queued at `since` (ISO 8601) or later; of all that are kept without it. */
  partitionReport(since?: string): Promise<ReportAnswer> {
    return this.#transport.json({
      method: "GET",
      path: "/api/v1/cluster/partition/report",
      query: { since },
    });
  }

  resolvePartition(prefer: string, dropQueued: boolean): Promise<ResolveAnswer> {
    const json = { prefer, drop_queued: dropQueued };
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/partition/resolve", json });
  }

  /** Resolves when the cut has begun; `rehearsal` tells how it goes on. */
  rehearsePartition(options: {
    readonly isolate: readonly string[];
    readonly duration_ms: number;
    readonly force: boolean;
  }): Promise<RehearsalAnswer> {
    const { isolate, duration_ms, force } = options;
    const json = { isolate, duration: formatDuration(duration_ms), force };
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/partition/rehearsal", json });
  }

  rehearsal(): Promise<RehearsalAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/partition/rehearsal" });
  }

  balance(): Promise<BalanceAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/balance" });
  }

  setBalance(strategy: string): Promise<BalanceAnswer> {
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/balance", json: { strategy } });
  }

  /** What `rebalance` would move. */
  rebalancePlan(strategy: string): Promise<PlanAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/rebalance", query: { strategy } });
  }

  /** Resolves when the agents have moved. */
  rebalance(strategy: string): Promise<RebalanceAnswer> {
    return this.#transport.json({
      method: "POST",
      path: "/api/v1/cluster/rebalance",
      json: { strategy },
      patience_ms: rebalance_ms,
    });
  }
}
