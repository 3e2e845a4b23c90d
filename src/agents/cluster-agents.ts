/**
 * Agents anywhere in the cluster: has the cluster decide about them, and asks the node that owns one about it. What
 * the HTTP API needs of agents, in the shapes that it needs.
 */
import type * as v from "valibot";
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { DirectoryEntry, Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Consistency } from "../control/control-client.ts";
import type { Clock } from "../ports/clock.ts";
import type { AssignmentStore } from "../control/assignment-store.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import { type AgentCeilings, decidedBefore, demandWithin, deployedBy } from "./agent-ceilings.ts";
import type { AgentLogLine } from "./agent-logs.ts";
import type { AgentDetail, AgentView } from "./agent-record.ts";
import {
  agentMethods,
  detailAnswer,
  emptyAnswer,
  jsonBody,
  keptAnswer,
  logsAnswer,
  parseBody,
} from "./agent-requests.ts";
import type { AssignmentTable, OwnedAgent } from "./assignment-table.ts";
import { directoryShows } from "./directory-shows.ts";
import type { Deployed, DeployedOne, DeployRequest } from "./deployment.ts";
import { deployGroup } from "./group-deployment.ts";
import type { HandOver } from "./hand-over.ts";
import type { InstanceGroups } from "./instance-groups.ts";
import type { LocalAgents } from "./local-agents.ts";
import type { ModuleKeepers } from "./module-keepers.ts";
import { hashModule, keepMethod, type ModuleShelf } from "./module-shelf.ts";
import { demandRoom } from "./migration-target.ts";
import type { Ownership } from "./ownership.ts";
import type { Reconciler } from "./reconciler.ts";
import { isSetBack } from "./set-back.ts";
import { shownStatusOf } from "./shown-status.ts";
import { unreadableReason, unreadableView } from "./unreadable-agent.ts";

/** The peer may have to fetch the module (up to 16 MiB) and prepare it. */
const start_ms = 60_000;
/** Stopping, sending and storing all that an agent has, and starting it. */
const migrate_ms = 120_000;
const request_ms = 10_000;
const detail_ms = 3_000;
/** After a deployment elsewhere, until the directory here shows it. */
const announced_ms = 3_000;

export interface ClusterAgentsOptions {
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly local: LocalAgents;
  readonly modules: ModuleShelf;
  readonly keepers: Pick<ModuleKeepers, "of">;
  readonly ownership: Ownership;
  readonly table: AssignmentTable;
  readonly store: AssignmentStore;
  readonly reconciler: Reconciler;
  readonly handOver: HandOver;
  readonly ceilings: AgentCeilings;
  /** This node has its lease. */
  readonly mayAct: () => boolean;
  /** The leader does not hear that node, so it has no lease. */
  readonly isUnheard: (node: NodeId) => boolean;
  readonly groups: InstanceGroups;
  /** Since when what agents of a node with an old copy of its data did may be gone; null where that is not known. */
  readonly lostSince: (node: NodeId) => Promise<number | null>;
}

export class ClusterAgents {
  readonly #options: ClusterAgentsOptions;

  constructor(options: ClusterAgentsOptions) {
    this.#options = options;
  }

  /**
   * Throws `limit_exceeded`, `invalid_module`, `no_capacity`, `conflict`, `unreachable`, `no_quorum`, …: then all is as before, except
   * that an agent that was to be moved may have been.
   */
  async deploy(request: DeployRequest): Promise<Deployed> {
    const { name, instances } = request;
    const { groups, table } = this.#options;
    const there = groups.of(name);
    if (there.length === 0 && (instances ?? 1) === 1)
      return { ...(await this.#deployOne(request)), instances: [] };
    if (table.get(name) !== undefined) {
      const detail = `Agent ${quote(name)} runs alone: remove it first, then deploy it with --instances`;
      throw new CaxtonError("conflict", detail);
    }
    return await deployGroup(request, there, instances ?? there.length, {
      table,
      deployOne: (one, siblings) => this.#deployOne(one, siblings),
      removeOne: (one) => this.#removeOne(one),
    });
  }

  async #deployOne(
    request: Omit<DeployRequest, "instances">,
    siblings: readonly AgentName[] = [],
  ): Promise<DeployedOne> {
    const { modules, ownership, clock, ceilings, table } = this.#options;
    const { name, wasm, options, principal } = request;
    const before = deployedBy(table.all(), principal, name);
    demandWithin(ceilings, options, { name: principal, owned: before.size });
    const module = hashModule(wasm);
    await modules.prepare({ module, capabilities: options.capabilities, limits: options.limits }, wasm);
    const draft = { ...options, name, module, deployedAt_ms: clock.wall_ms(), deployedBy: principal };
    const claim = await modules.holding(module, wasm, async () => {
      const chosen = ownership.choose(name, options.placement, siblings);
      await this.#spread(module, chosen.node);
      if (chosen.movesFrom !== null) await this.#migrateFrom(chosen.movesFrom, name, chosen.node);
      const claimed = await ownership.claim(draft, chosen);
      try {
        const owned = decidedBefore(claimed, before, deployedBy(table.all(), principal, name));
        demandWithin(ceilings, options, { name: principal, owned });
        await this.#settleAt(claimed.node, name, start_ms);
      } catch (error) {
        await claimed.takeBack();
        throw error;
      }
      return claimed;
    });
    await this.#seen(() => {
      const entry = this.#options.membership.locate(name);
      return entry !== undefined && entry.epoch === claim.epoch && entry.revision >= claim.revision;
    });
    return { agent: await this.show(name), created: claim.created, why: claim.why };
  }

  list(): readonly AgentView[] {
    const { membership, table } = this.#options;
    const views: AgentView[] = [];
    for (const owned of table.all()) views.push(this.#view(owned, null));
    for (const unreadable of table.allUnreadable()) views.push(unreadableView(unreadable));
    // From before the cluster kept assignments, or from a node that has not heard of a removal.
    for (const entry of membership.directory()) {
      const { agent } = entry;
      if (table.get(agent) !== undefined || table.unreadable(agent) !== undefined) continue;
      if (table.wasRemoved(agent)) continue;
      if (membership.locate(entry.agent)?.node === entry.node) views.push(this.#unassigned(entry, null));
    }
    return views.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async revisionOf(name: string, consistency: Consistency): Promise<number> {
    const { table } = this.#options;
    if (consistency === "linearizable") await table.refresh(consistency);
    return this.list().find((agent) => agent.name === name)?.revision ?? 0;
  }

  /** The instances of that name, in their order; none where it is an agent's own, or nobody's. */
  instances(name: AgentName): readonly AgentView[] {
    const { groups, table } = this.#options;
    return groups.of(name).flatMap((each) => {
      const owned = table.get(each);
      return owned === undefined ? [] : [this.#view(owned, null)];
    });
  }

  async show(name: AgentName): Promise<AgentView> {
    const owned = this.#options.table.get(name);
    const unreadable = this.#options.table.unreadable(name);
    if (unreadable !== undefined) return unreadableView(unreadable);
    if (owned === undefined) {
      const entry = this.#options.membership.locate(name);
      if (entry === undefined || this.#options.table.wasRemoved(name)) throw noSuchAgent(name);
      return this.#unassigned(entry, await this.#detailFrom(name, entry.node));
    }
    const kept = await this.#keptJournals(owned);
    const view = this.#view(owned, await this.#detailFrom(name, owned.node));
    if (view.assignment === null || !isSetBack(owned)) return { ...view, kept };
    const lostSince_ms = await this.#options.lostSince(owned.node);
    return { ...view, assignment: { ...view.assignment, lostSince_ms }, kept };
  }

  /** All instances of a name that has several. */
  async remove(name: AgentName): Promise<void> {
    await this.#each(name, (one) => this.#removeOne(one));
  }

  async suspend(name: AgentName): Promise<void> {
    await this.#each(name, (one) => this.#suspendOne(one));
  }

  /** Also brings back an agent that has failed. */
  async resume(name: AgentName): Promise<void> {
    await this.#each(name, (one) => this.#resumeOne(one));
  }

  async #each(name: AgentName, work: (one: AgentName) => Promise<void>): Promise<void> {
    const instances = this.#options.groups.of(name);
    for (const one of instances.length > 0 ? instances : [name]) await work(one);
  }

  async #removeOne(name: AgentName): Promise<void> {
    const { store, table, membership } = this.#options;
    const owned = table.unreadable(name) ?? this.#owned(name);
    await store.remove({ agent: name, expected: null }, "");
    await table.refresh("linearizable");
    if (!this.#isThere(owned.node)) return;
    await this.#settleAt(owned.node, name, request_ms);
    await this.#seen(() => membership.locate(name)?.node !== owned.node);
  }

  async #suspendOne(name: AgentName): Promise<void> {
    await this.#setSuspended(name, true);
    await this.#seen(() => this.#options.membership.locate(name)?.status === "suspended");
  }

  async #resumeOne(name: AgentName): Promise<void> {
    const { membership, local } = this.#options;
    const { node } = await this.#setSuspended(name, false);
    if (node === membership.self) await local.resume(name);
    else await this.#request(node, agentMethods.resume, { name }, emptyAnswer, request_ms);
    await this.#seen(() => membership.locate(name)?.status !== "suspended");
  }

  /** To that node, with all that it has. Throws `unreachable`, `no_capacity`, `conflict`, `no_quorum`, …. */
  async migrate(name: AgentName, to: NodeId): Promise<AgentView> {
    const { membership, table } = this.#options;
    const owned = this.#owned(name);
    const target = membership.member(to);
    if (target === undefined) {
      throw new CaxtonError("node_not_found", `No node "${to}" in this cluster. See: caxton cluster members`);
    }
    if (owned.node === to) return await this.show(name);
    demandRoom(target, owned, { agents: table.of(to).size, unheard: this.#options.isUnheard(to) });
    this.#demandThere(owned);
    await this.#migrateFrom(owned.node, name, to);
    await this.#seen(() => membership.locate(name)?.node === to);
    return await this.show(name);
  }

  /** Newest last, at most `limit`; of the node that has it now. */
  async logs(name: AgentName, limit: number): Promise<readonly AgentLogLine[]> {
    const { node } = this.#owned(name);
    const { local, membership } = this.#options;
    if (node === membership.self) return local.logs(name, limit);
    const answer = await this.#request(node, agentMethods.logs, { name, limit }, logsAnswer, request_ms);
    return answer.lines;
  }

  async #migrateFrom(from: NodeId, name: AgentName, to: NodeId): Promise<void> {
    const { membership, handOver, table } = this.#options;
    if (from === membership.self) await handOver.move(name, to, "migrated");
    else {
      await this.#request(from, agentMethods.migrate, { name, to }, emptyAnswer, migrate_ms);
      await table.refresh("linearizable");
    }
  }

  /** A copy where it is to run, which must be had, and some elsewhere, so that a lost node loses no module. */
  async #spread(module: ModuleHash, target: NodeId): Promise<void> {
    const { membership, peers, keepers } = this.#options;
    // This node holds it for as long as the deployment takes, and by the assignments afterwards.
    const keep = async (node: NodeId): Promise<void> => {
      if (node === membership.self) return;
      await peers.request(node, keepMethod, encodeUtf8(module), { timeout_ms: start_ms });
    };
    const others = keepers.of(module).filter((node) => node !== target);
    const copies = Promise.allSettled(others.map((node) => keep(node)));
    await keep(target);
    await copies;
  }

  async #settleAt(node: NodeId, name: AgentName, timeout_ms: number): Promise<void> {
    const { membership, reconciler } = this.#options;
    if (node === membership.self) await reconciler.settle(name);
    else await this.#request(node, agentMethods.settle, { name }, emptyAnswer, timeout_ms);
  }

  async #setSuspended(name: AgentName, suspended: boolean): Promise<OwnedAgent> {
    const { store, table } = this.#options;
    const owned = this.#owned(name);
    this.#demandThere(owned);
    await store.suspend({ agent: name, epoch: owned.epoch, suspended }, "");
    await table.refresh("linearizable");
    await this.#settleAt(owned.node, name, request_ms);
    return owned;
  }

  #view(owned: OwnedAgent, detail: AgentDetail | null): AgentView {
    const { membership } = this.#options;
    const { agent: name, node, epoch, revision, spec, cause, previous, previousEpoch, at_ms } = owned;
    const status = shownStatusOf(owned, this.#options);
    const lost = cause === "failover" && spec.durability !== "volatile" ? previous : null;
    const runsOn = membership.locate(name)?.node ?? null;
    const assignment = { cause, previous, previousEpoch, at_ms, lost, lostSince_ms: null, runsOn };
    return { name, node, status, revision, epoch, module: spec.module, detail, assignment, kept: [] };
  }

  #unassigned(entry: DirectoryEntry, detail: AgentDetail | null): AgentView {
    const { agent: name, node, epoch, revision, module } = entry;
    const status = this.#isThere(node) ? entry.status : "orphaned";
    return { name, node, status, revision, epoch, module, detail, assignment: null, kept: [] };
  }

  /** Of the nodes that may have one: who had it last, this one and who has it. */
  async #keptJournals({ agent: name, node, previous }: OwnedAgent): Promise<AgentView["kept"]> {
    const { membership, local } = this.#options;
    const nodes = new Set([membership.self, node, ...(previous === null ? [] : [previous])]);
    const asked = [...nodes].filter((each) => this.#isThere(each));
    const answers = await Promise.all(
      asked.map(async (each) => {
        try {
          const kept =
            each === membership.self
              ? await local.kept(name)
              : (await this.#request(each, agentMethods.kept, { name }, keptAnswer, detail_ms)).kept;
          return kept.map((journal) => ({ ...journal, node: each }));
        } catch (error) {
          if (error instanceof CaxtonError) return [];
          throw error;
        }
      }),
    );
    return answers.flat();
  }

  #isThere(node: NodeId): boolean {
    const status = this.#options.membership.member(node)?.status;
    return status === "alive" || status === "suspect";
  }

  #demandThere({ agent, node }: OwnedAgent): void {
    if (this.#isThere(node)) return;
    const status = this.#options.membership.member(node)?.status ?? "unknown";
    throw new CaxtonError(
      "unreachable",
      `Agent ${quote(agent)} belongs to node ${quote(node)}, which is ${status}`,
    );
  }

  #owned(name: AgentName): OwnedAgent {
    const { table, groups } = this.#options;
    const owned = table.get(name);
    if (owned !== undefined) return owned;
    const unreadable = table.unreadable(name);
    if (unreadable !== undefined)
      throw new CaxtonError("agent_failed", `Agent ${quote(name)}: ${unreadableReason(unreadable)}`);
    const [first] = groups.of(name);
    if (first === undefined) throw noSuchAgent(name);
    const detail = `${quote(name)} has several instances: name one of them, as ${quote(first)}`;
    throw new CaxtonError("conflict", detail);
  }

  /** Null when its node cannot be asked. */
  async #detailFrom(name: AgentName, node: NodeId): Promise<AgentDetail | null> {
    const { reconciler, membership } = this.#options;
    try {
      if (node === membership.self) return await reconciler.detail(name);
      return await this.#request(node, agentMethods.detail, { name }, detailAnswer, detail_ms);
    } catch (error) {
      if (error instanceof CaxtonError) return null;
      throw error;
    }
  }

  async #request<S extends v.GenericSchema>(
    node: NodeId,
    method: string,
    body: object,
    answer: S,
    timeout_ms: number,
  ): Promise<v.InferOutput<S>> {
    return parseBody(answer, await this.#options.peers.request(node, method, jsonBody(body), { timeout_ms }));
  }

  #seen(condition: () => boolean): Promise<void> {
    const { membership, clock } = this.#options;
    return directoryShows(condition, { membership, clock, within_ms: announced_ms });
  }
}

function noSuchAgent(name: AgentName): CaxtonError {
  return new CaxtonError("agent_not_found", `There is no agent ${quote(name)}`);
}
