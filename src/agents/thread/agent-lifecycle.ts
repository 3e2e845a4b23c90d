/**
 * Starting, replacing, stopping, suspending and recovering the agents of a thread. All of it waits for
 * what is under way in the commit queue, so that an agent never leaves effects behind half done.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import type { AgentName } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RecoveredAgent, Store } from "../../store/store.ts";
import type { PreparedModule } from "../../wasm/prepare.ts";
import { AgentTrap } from "../../wasm/trap.ts";
import type { AgentSpec } from "../../wire/agent-spec.ts";
import { savedLimit_bytes } from "../../wire/journal-codec.ts";
import type { JournalRecord } from "../../wire/journal-record.ts";
import type { AgentWorld } from "./agent-world.ts";
import { HostedAgent } from "./hosted-agent.ts";
import { moduleKey } from "../module-key.ts";
import type { ThreadMail } from "./thread-mail.ts";

/** Agents that one thread takes. */
export const agentsPerThreadLimit = 100_000;
/** How long between attempts to recover an agent from a store that does not answer. */
const recoverRetry_ms = 500;
/** Between two looks at an agent that finishes its mail. */
const finishLook_ms = 5;
/** States of `save` that go to the store in one commit at shutdown. */
const savesPerCommit = 64;

const nothingStored: RecoveredAgent = { inbox: [], state: [], timers: [], handled: [], saved: undefined };

export interface LifecycleParts {
  readonly world: AgentWorld;
  readonly mail: ThreadMail;
  readonly store: Store;
  readonly clock: Clock;
  readonly agents: Map<string, HostedAgent>;
  /** Compiles; throws `invalid_module`. */
  readonly addModule: (key: string, module: PreparedModule) => Promise<void>;
}

export class AgentLifecycle {
  readonly #parts: LifecycleParts;
  readonly #hosting: string[] = [];
  readonly #adding = new Map<string, Promise<void>>();

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** `fresh`: the store has nothing of it. "needs_module" when the thread does not have it. Throws `CaxtonError` when the agent does not run then. */
  async host(
    spec: AgentSpec,
    module: PreparedModule | null,
    suspended: boolean,
    fresh = false,
  ): Promise<"hosted" | "needs_module"> {
    const key = moduleKey(spec);
    this.#hosting.push(key);
    try {
      if (!this.#parts.world.handlers.has(key)) {
        const coming = this.#adding.get(key);
        if (coming !== undefined) await coming;
        else if (module === null) return "needs_module";
        else await this.#add(key, module);
      }
      const existing = this.#parts.agents.get(spec.name);
      if (existing === undefined) await this.#start(spec, suspended, fresh);
      else await this.#replace(existing, spec, suspended);
      return "hosted";
    } finally {
      this.#hosting.splice(this.#hosting.indexOf(key), 1);
    }
  }

  /** Compiled once, for all that come meanwhile. */
  #add(key: string, module: PreparedModule): Promise<void> {
    const adding = this.#parts.addModule(key, module).finally(() => this.#adding.delete(key));
    this.#adding.set(key, adding);
    return adding;
  }

  /** Keys of the modules that agents of the thread have or are about to have. */
  modulesInUse(): ReadonlySet<string> {
    const keys = new Set(this.#hosting);
    for (const agent of this.#parts.agents.values()) keys.add(moduleKey(agent.spec));
    return keys;
  }

  async stop(name: AgentName, forget: boolean, finish_ms: number): Promise<void> {
    const agent = this.#agent(name);
    const { agents, world, store } = this.#parts;
    if (!agent.durable && finish_ms > 0) await this.#finishMail(agent, finish_ms);
    agent.leaving = true;
    await this.#quiet(agent);
    // Once more: what other agents of this thread sent it may be in the commit that gathers now.
    await world.commits.passed();
    if (agent.durable && !forget) {
      const saved = this.#saved(agent);
      if (saved !== undefined) await store.append([saved]);
    }
    agents.delete(name);
    this.#endVolatileMail(agent, "agent_removed", "The agent was removed");
    agent.unload();
    await world.commits.passed();
  }

  suspend(name: AgentName): void {
    this.#agent(name).suspended = true;
  }

  /** Also brings a failed agent back. */
  async resume(name: AgentName): Promise<void> {
    const agent = this.#agent(name);
    agent.suspended = false;
    if (agent.failure !== undefined) agent.revive();
    this.#parts.world.wake(agent);
    await this.#startedOrThrow(agent);
  }

  /** Forgets what the agent has in memory and takes it from the store again. */
  recover(name: AgentName): void {
    const { store, clock, agents, world, mail } = this.#parts;
    const agent = agents.get(name);
    if (agent === undefined) return;
    agent.unload();
    agent.leaving = true;
    const attempt = (): void => {
      if (agents.get(agent.name) !== agent) return;
      store.recoverAgent(agent.name).then(
        (recovered) => {
          if (agents.get(agent.name) !== agent) return;
          agent.load(recovered);
          agent.ready = true;
          agent.leaving = false;
          mail.takeReturned(agent);
          world.wake(agent);
        },
        () => clock.after(recoverRetry_ms, attempt),
      );
    };
    attempt();
  }

  /** Nothing runs any more; resolves when everything is on disk. Mail of volatile agents becomes dead letters. */
  async shutdown(): Promise<void> {
    const { agents, world, store } = this.#parts;
    for (const agent of agents.values()) agent.leaving = true;
    await world.commits.passed();
    let saves: JournalRecord[] = [];
    for (const agent of agents.values()) {
      await this.#quiet(agent);
      this.#endVolatileMail(agent, "node_stopped", "The node stopped before its volatile agent handled it");
      const saved = agent.durable ? this.#saved(agent) : undefined;
      if (saved !== undefined) saves.push(saved);
      if (saves.length < savesPerCommit) continue;
      await store.append(saves);
      saves = [];
    }
    if (saves.length > 0) await store.append(saves);
    while (world.commits.notes > 0) await world.commits.passed();
    await world.commits.passed();
  }

  async #start(spec: AgentSpec, suspended: boolean, fresh: boolean): Promise<void> {
    const { world, store, agents } = this.#parts;
    if (agents.size >= agentsPerThreadLimit) {
      throw new CaxtonError("no_capacity", `The thread hosts ${agentsPerThreadLimit} agents already`);
    }
    const agent = new HostedAgent(world, spec);
    agent.suspended = suspended;
    agents.set(spec.name, agent);
    try {
      agent.load(agent.durable && !fresh ? await store.recoverAgent(spec.name) : nothingStored);
    } catch (error) {
      agents.delete(spec.name);
      throw error;
    }
    agent.ready = true;
    world.wake(agent);
    await this.#startedOrThrow(agent);
  }

  async #replace(agent: HostedAgent, spec: AgentSpec, suspended: boolean): Promise<void> {
    if ((spec.durability === "volatile") === agent.durable) {
      const [from, to] = [agent.spec.durability, spec.durability];
      throw new CaxtonError(
        "conflict",
        `Agent ${quote(spec.name)} cannot change from ${from} to ${to} in place: remove it first, then deploy it again`,
      );
    }
    agent.paused = true;
    try {
      await this.#quiet(agent);
      agent.replace(spec);
      agent.suspended = suspended;
    } catch (error) {
      if (!(error instanceof AgentTrap)) throw error;
      const detail = `New revision of ${quote(spec.name)} trapped (${error.kind}: ${error.detail}); the old one stays`;
      throw new CaxtonError("invalid_module", detail, { cause: error });
    } finally {
      agent.paused = false;
      this.#parts.world.wake(agent);
    }
  }

  async #startedOrThrow(agent: HostedAgent): Promise<void> {
    const failure = await agent.started();
    if (failure !== undefined)
      throw new CaxtonError("agent_failed", `Agent ${quote(agent.name)} failed: ${failure}`);
  }

  /** Nobody else has the mail of a volatile agent: it is handled here, unless that takes too long. */
  async #finishMail(agent: HostedAgent, finish_ms: number): Promise<void> {
    const { clock } = this.#parts;
    const end_ms = clock.now_ms() + finish_ms;
    agent.closing = true;
    while (agent.inbox.length > 0 && agent.runnable && clock.now_ms() < end_ms) {
      await new Promise<void>((resolve) => void clock.after(finishLook_ms, resolve));
    }
  }

  async #quiet(agent: HostedAgent): Promise<void> {
    while (agent.uncommitted > 0) await this.#parts.world.commits.passed();
  }

  #saved(agent: HostedAgent): JournalRecord | undefined {
    try {
      const state = agent.save();
      if (state === undefined) return undefined;
      if (state.length <= savedLimit_bytes) return { kind: "saved", agent: agent.name, state };
      agent.calls.note(
        "error",
        `save gave ${state.length} bytes, at most ${savedLimit_bytes}: its memory is not kept`,
      );
      return undefined;
    } catch (error) {
      agent.calls.note("error", `save failed, its memory is not kept: ${reasonOf(error)}`);
      return undefined;
    }
  }

  #endVolatileMail(agent: HostedAgent, reason: string, detail: string): void {
    if (agent.durable) return;
    for (const { bytes } of agent.inbox.takeAll()) this.#parts.mail.deadLetter(agent, reason, detail, bytes);
  }

  #agent(name: AgentName): HostedAgent {
    const agent = this.#parts.agents.get(name);
    if (agent === undefined)
      throw new CaxtonError("agent_not_found", `No agent ${quote(name)} on this thread`);
    return agent;
  }
}
