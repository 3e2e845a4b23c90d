/** A node's partition service held in memory: told on which side it is, and what it was asked to keep. */
import type {
  PartitionOverview,
  PartitionReport,
  PartitionService,
  QueuedWriteView,
  Rehearsal,
  WriteToQueue,
} from "../../src/api/partition-service.ts";
import { CaxtonError } from "../../src/base/errors.ts";
import type { NodeId } from "../../src/base/ids.ts";
import type { PartitionAction } from "../../src/ownership/partition-policy.ts";
import type { Page } from "../../src/store/store.ts";

export class MemoryPartition implements PartitionService {
  minority = false;
  action: PartitionAction | null = null;
  servesReads = true;
  waiting = 0;
  full = false;
  readonly kept: WriteToQueue[] = [];
  readonly resolved: { prefer: string; drop: boolean }[] = [];
  groups: PartitionOverview["groups"];
  drill: Rehearsal | null = null;

  constructor(readonly node: NodeId) {
    this.groups = [{ nodes: [node], side: "majority" }];
  }

  get holdsWrites(): boolean {
    return this.minority || this.waiting > 0;
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  drained(): Promise<boolean> {
    return Promise.resolve(this.waiting === 0);
  }

  accept(write: WriteToQueue): Promise<QueuedWriteView> {
    if (this.full) throw new CaxtonError("unavailable", "The write queue is full");
    this.kept.push(write);
    return Promise.resolve(this.#view(write, this.kept.length));
  }

  overview(): Promise<PartitionOverview> {
    return Promise.resolve({
      node: this.node,
      state: this.minority ? "minority" : "healthy",
      since_ms: 0,
      groups: this.groups,
      blind: [],
      unasked: [],
      leader: null,
      unheard: [],
      voters_reached: 1,
      voters: 1,
      needed: 1,
      action: this.action,
      queued: this.kept.length,
    });
  }

  writes(): Promise<Page<QueuedWriteView>> {
    return Promise.resolve({ items: this.kept.map((write, at) => this.#view(write, at + 1)), next: null });
  }

  async write(id: string): Promise<QueuedWriteView> {
    const found = (await this.writes()).items.find((write) => write.id === id);
    if (found === undefined) throw new CaxtonError("not_found", `No queued write ${id}`);
    return found;
  }

  async report(): Promise<PartitionReport> {
    const counts = {
      queued: this.kept.length,
      replaying: 0,
      applied: 0,
      conflicted: 0,
      refused: 0,
      expired: 0,
    };
    const writes = (await this.writes()).items;
    return { nodes: [{ node: this.node, state: "minority", counts, writes, more: false }], missing: [] };
  }

  resolve(options: { prefer: "majority" | NodeId; drop: boolean }): Promise<readonly string[]> {
    this.resolved.push(options);
    return Promise.resolve(["Trying node-3 again"]);
  }

  rehearse(options: { isolate: readonly NodeId[]; duration_ms: number; force: boolean }): Promise<Rehearsal> {
    if (options.isolate.length > 1 && !options.force)
      throw new CaxtonError("conflict", "The others would keep no quorum");
    this.drill = {
      id: "drill-1",
      isolated: options.isolate,
      duration_ms: options.duration_ms,
      started_ms: 0,
      phase: "ended",
      report: { nodes: [], missing: [] },
      troubles: [],
    };
    return Promise.resolve(this.drill);
  }

  rehearsal(): Rehearsal | null {
    return this.drill;
  }

  #view(write: WriteToQueue, position: number): QueuedWriteView {
    const { method, path, principal, headers, observed, body } = write;
    return {
      id: `00000000-0000-7000-8000-${String(position).padStart(12, "0")}`,
      position,
      node: this.node,
      state: "queued",
      method,
      path,
      principal: principal.subject,
      idempotency_key: headers["idempotency-key"] ?? null,
      observed,
      size_bytes: body.length,
      at_ms: 0,
      settled_ms: null,
      detail: "",
    };
  }
}
