/**
 * Agents anywhere in the cluster: deploys, and asks the node that has an agent about it. What the
 * HTTP API needs of agents, in the shapes that it needs.
 */
import type * as v from "valibot";
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { DirectoryEntry, Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers.ts";
import type { Clock } from "../ports/clock.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { AgentLogLine } from "./agent-logs.ts";
import type { AgentDetail, AgentView } from "./agent-record.ts";
import {
  agentMethods,
  detailAnswer,
  emptyAnswer,
  jsonBody,
  logsAnswer,
  parseBody,
} from "./agent-requests.ts";
import type { LocalAgents } from "./local-agents.ts";
import { hashModule, type ModuleShelf } from "./module-shelf.ts";
import type { Claim, Ownership } from "./ownership.ts";

/** The peer may have to fetch the module (up to 16 MiB) and prepare it. */
const start_ms = 60_000;
const request_ms = 10_000;
const detail_ms = 3_000;
/** After a deployment elsewhere, until the directory here shows it. */
const announced_ms = 3_000;

export interface DeployRequest {
  readonly name: AgentName;
  readonly wasm: Uint8Array;
  readonly options: Omit<
    AgentSpec,
    "name" | "module" | "revision" | "epoch" | "deployedAt_ms" | "deployedBy"
  >;
  readonly principal: string;
}

export interface ClusterAgentsOptions {
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly local: LocalAgents;
  readonly modules: ModuleShelf;
  readonly ownership: Ownership;
}

export class ClusterAgents {
  readonly #options: ClusterAgentsOptions;

  constructor(options: ClusterAgentsOptions) {
    this.#options = options;
  }

  /** Throws `invalid_module`, `no_capacity`, `conflict`, `unreachable`, …. In a move the agent was stopped first. */
  async deploy(
    request: DeployRequest,
  ): Promise<{ readonly agent: AgentView; readonly created: boolean; readonly why: string }> {
    const { modules, ownership, clock } = this.#options;
    const { name, wasm, options, principal } = request;
    const module = hashModule(wasm);
    await modules.prepare({ module, capabilities: options.capabilities, limits: options.limits }, wasm);
    const claim = await ownership.claim(name, options.placement);
    const { epoch, revision } = claim;
    const at = { deployedAt_ms: clock.wall_ms(), deployedBy: principal };
    const spec: AgentSpec = { ...options, name, module, revision, epoch, ...at };
    let ok = false;
    try {
      await modules.holding(module, wasm, () => this.#startAt(claim, spec));
      ok = true;
    } finally {
      ownership.settled(name, ok);
    }
    const detail = await this.#detailFrom(name, claim.node);
    const view = { name, node: claim.node, status: "running" as const, revision, epoch, module, detail };
    const entry = this.#options.membership.locate(name);
    const status = entry !== undefined && entry.revision === revision ? entry.status : view.status;
    return { agent: { ...view, status }, created: claim.created, why: claim.why };
  }

  list(): readonly AgentView[] {
    const { membership } = this.#options;
    const views: AgentView[] = [];
    for (const entry of membership.directory()) {
      if (membership.locate(entry.agent)?.node === entry.node) views.push(this.#view(entry, null));
    }
    return views.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async show(name: AgentName): Promise<AgentView> {
    const entry = this.#locate(name);
    return this.#view(entry, await this.#detailFrom(name, entry.node));
  }

  async remove(name: AgentName): Promise<void> {
    const { node } = this.#locate(name);
    await this.#ask(name, node, agentMethods.stop, () => this.#options.local.remove(name));
    await this.#seen(() => this.#options.membership.locate(name)?.node !== node);
  }

  async suspend(name: AgentName): Promise<void> {
    const { node } = this.#locate(name);
    await this.#ask(name, node, agentMethods.suspend, () => this.#options.local.suspend(name));
    await this.#seen(() => this.#options.membership.locate(name)?.status === "suspended");
  }

  /** Also brings back an agent that has failed. */
  async resume(name: AgentName): Promise<void> {
    const { node } = this.#locate(name);
    await this.#ask(name, node, agentMethods.resume, () => this.#options.local.resume(name));
    await this.#seen(() => this.#options.membership.locate(name)?.status !== "suspended");
  }

  /** Newest last, at most `limit`; of the node that has it now. */
  async logs(name: AgentName, limit: number): Promise<readonly AgentLogLine[]> {
    const { node } = this.#locate(name);
    const { local, membership } = this.#options;
    if (node === membership.self) return local.logs(name, limit);
    const answer = await this.#request(node, agentMethods.logs, { name, limit }, logsAnswer, request_ms);
    return answer.lines;
  }

  async #startAt(claim: Claim, spec: AgentSpec): Promise<void> {
    const { local, membership } = this.#options;
    if (claim.movesFrom !== null) await this.#stopAt(claim.movesFrom, spec.name);
    if (claim.node === membership.self) {
      await local.start(spec);
      return;
    }
    await this.#request(claim.node, agentMethods.start, { spec }, emptyAnswer, start_ms);
    await this.#seen(() => {
      const entry = membership.locate(spec.name);
      return entry !== undefined && entry.epoch === spec.epoch && entry.revision >= spec.revision;
    });
  }

  /** Before an agent starts elsewhere. A node that is gone is left to yield when it comes back: its epoch is lower. */
  async #stopAt(node: NodeId, name: AgentName): Promise<void> {
    const { local, membership } = this.#options;
    if (node === membership.self) {
      if (local.has(name)) await local.remove(name);
      return;
    }
    const status = membership.member(node)?.status;
    if (status !== "alive" && status !== "suspect") return;
    try {
      await this.#request(node, agentMethods.stop, { name }, emptyAnswer, request_ms);
    } catch (error) {
      if (!(error instanceof CaxtonError) || error.code !== "agent_not_found") throw error;
    }
  }

  #view(entry: DirectoryEntry, detail: AgentDetail | null): AgentView {
    const { agent: name, node, epoch, revision, module } = entry;
    const status = this.#options.membership.member(node)?.status;
    const orphaned = status === "failed" || status === "left" || status === undefined;
    return { name, node, status: orphaned ? "orphaned" : entry.status, revision, epoch, module, detail };
  }

  #locate(name: AgentName): DirectoryEntry {
    const entry = this.#options.ownership.ownerOf(name);
    if (entry === undefined) throw new CaxtonError("agent_not_found", `There is no agent ${quote(name)}`);
    return entry;
  }

  /** Null when its node cannot be asked. */
  async #detailFrom(name: AgentName, node: NodeId): Promise<AgentDetail | null> {
    const { local, membership } = this.#options;
    try {
      if (node === membership.self) return await local.detail(name);
      return await this.#request(node, agentMethods.detail, { name }, detailAnswer, detail_ms);
    } catch (error) {
      if (error instanceof CaxtonError) return null;
      throw error;
    }
  }

  async #ask(name: AgentName, node: NodeId, method: string, here: () => Promise<void>): Promise<void> {
    const { membership } = this.#options;
    if (node === membership.self) {
      await here();
      return;
    }
    const status = membership.member(node)?.status;
    if (status === "failed" || status === "left") {
      throw new CaxtonError(
        "unreachable",
        `Agent ${quote(name)} belongs to node ${quote(node)}, which is ${status}`,
      );
    }
    await this.#request(node, method, { name }, emptyAnswer, request_ms);
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

  /** Waits until this node's directory shows what was done, so that the caller's next read does too; not for ever. */
  #seen(condition: () => boolean): Promise<void> {
    const { membership, clock } = this.#options;
    return new Promise((resolve) => {
      if (condition()) {
        resolve();
        return;
      }
      const end = (): void => {
        unsubscribe();
        timer.cancel();
        resolve();
      };
      const timer = clock.after(announced_ms, end);
      const unsubscribe = membership.subscribe((event) => {
        if (event.kind === "directory" && condition()) end();
      });
    });
  }
}
