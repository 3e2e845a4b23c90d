/** What operators do to the whole cluster, gathered from the parts that do it. */
import type {
  Analysis,
  Isolation,
  NodeAnswer,
  NodeResources,
  OperatorService,
  Rebuilt,
  Shedding,
} from "../../api/operator-service.ts";
import type { HostPort } from "../../base/host-port.ts";
import type { NodeId } from "../../base/ids.ts";
import { resolveHost } from "../../cluster/gossip/spawn.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { analyze } from "./analysis.ts";
import { ClusterStopping } from "./cluster-stopping.ts";
import type { Ground } from "../ground.ts";
import type { IntakeGuard } from "./intake-guard.ts";
import { NodeIsolation } from "./isolation.ts";
import { measuredPerformance } from "../measurements.ts";
import { NodeAdding } from "./node-adding.ts";
import { ClusterResources } from "./node-resources.ts";
import type { NodeOwnership } from "../ownership/ownership.ts";
import { StateRebuilding } from "./state-rebuilding.ts";
import type { Work } from "../work.ts";

export interface OperatorParts extends Ground {
  readonly work: Work;
  readonly ownership: NodeOwnership;
}

export class NodeOperator implements OperatorService {
  readonly #parts: OperatorParts;
  readonly #guard: IntakeGuard;
  readonly #adding: NodeAdding;
  readonly #isolation: NodeIsolation;
  readonly #rebuilding: StateRebuilding;
  readonly #stopping: ClusterStopping;
  readonly #resources: ClusterResources;

  constructor(parts: OperatorParts, guard: IntakeGuard) {
    this.#parts = parts;
    this.#guard = guard;
    const { foundation, network, control, events, ownership, hooks } = parts;
    const { self, cluster, directory } = foundation;
    const { membership, peers, uuid } = network;
    const { consensus } = parts.consensus;
    const { modes, table, registrations, votes } = control;
    const common = { self, membership, peers, clock: systemClock };
    const boot = directory.bootEpoch;
    this.#adding = new NodeAdding({ ...common, boot, cluster, uuid, resolve: resolveHost });
    this.#isolation = new NodeIsolation({
      ...common,
      modes,
      consensus,
      table,
      events,
      drain: (within_ms, isOver) => ownership.drain(within_ms, isOver),
      reopen: () => ownership.reopen(),
    });
    this.#rebuilding = new StateRebuilding({
      ...common,
      consensus,
      votes,
      refresh: async () => {
        await Promise.all([
          table.refresh("linearizable"),
          modes.refresh("linearizable"),
          registrations.refresh("linearizable"),
        ]);
      },
    });
    this.#stopping = new ClusterStopping({ ...common, stop: (others) => hooks.suspend(others) });
    this.#resources = new ClusterResources({ ...common, dataDirectory: directory.path });
  }

  get isolated(): ReadonlySet<string> {
    return this.#parts.control.modes.isolated;
  }

  get shedding(): Shedding {
    return { percentage: this.#parts.control.modes.shedPercentage, refused: this.#guard.refused };
  }

  addNode(address: HostPort): Promise<{ readonly node: NodeId; readonly address: string }> {
    return this.#adding.add(address);
  }

  isolate(node: NodeId, drain_timeout_ms: number): Promise<Isolation> {
    return this.#isolation.isolate(node, drain_timeout_ms);
  }

  rejoin(node: NodeId): Promise<void> {
    return this.#isolation.rejoin(node);
  }

  rebuild(node: NodeId): Promise<Rebuilt> {
    return this.#rebuilding.rebuild(node);
  }

  stopAll(): Promise<readonly NodeAnswer[]> {
    return this.#stopping.stopAll();
  }

  startAll(): Promise<readonly NodeAnswer[]> {
    return this.#stopping.startAll();
  }

  async shedLoad(percentage: number): Promise<Shedding> {
    await this.#parts.control.modes.setShedPercentage(percentage);
    return this.shedding;
  }

  async analyze(): Promise<Analysis> {
    const { network, partition } = this.#parts;
    const { membership } = network;
    const { members } = this.#parts.consensus.consensus.status();
    const [measured, gossip] = await Promise.all([measuredPerformance(this.#parts), membership.stats()]);
    return analyze({
      measured,
      members: membership.members(),
      localHealth: gossip.localHealth,
      voters: members.filter(({ role }) => role !== "learner").length,
      queuedWrites: partition.queued,
      furthest: this.#furthest(),
    });
  }

  resources(): Promise<readonly NodeResources[]> {
    return this.#resources.all();
  }

  close(): void {
    this.#isolation.close();
  }

  #furthest(): { readonly node: string; readonly estimate_ms: number } | null {
    const { membership } = this.#parts.network;
    let furthest: { readonly node: string; readonly estimate_ms: number } | null = null;
    for (const { id: node, status } of membership.members()) {
      const estimate_ms =
        status === "alive" && node !== membership.self ? membership.estimate_ms(node) : undefined;
      if (estimate_ms !== undefined && estimate_ms > (furthest?.estimate_ms ?? 0))
        furthest = { node, estimate_ms };
    }
    return furthest;
  }
}
