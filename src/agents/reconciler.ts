/**
 * Makes this node what the assignments say: what is assigned here runs, what is assigned elsewhere under a higher
 * epoch ends here and its journal is put aside. Driven by changes of the assignments; what fails is tried again.
 */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote, type AgentName, type NodeId } from "../base/ids.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { AssignmentStore } from "../control/assignment-store.ts";
import type { Store } from "../store/store.ts";
import { encodeSpec } from "./agent-requests.ts";
import { unstarted, type AgentDetail } from "./agent-record.ts";
import type { AssignmentTable, OwnedAgent } from "./assignment-table.ts";
import { isSetBack } from "./set-back.ts";
import type { LocalAgents } from "./local-agents.ts";
import type { ModuleShelf } from "./module-shelf.ts";

/** Agents that are looked at at the same time: their records then share commits. */
const atOnce = 256;
const firstRetry_ms = 250;
const lastRetry_ms = 30_000;
/** Set once what was here before the cluster kept assignments has been told to it. */
const adoptedKey = "ownership.adopted";

export type ReconcilerEvent =
  /** Nothing of what it had is here: its former owner has it. */
  | { readonly kind: "lost"; readonly agent: AgentName; readonly from: NodeId }
  /** This node came back with an old copy of its data: the agent goes on from it, or, if that has nothing of it, anew. */
  | { readonly kind: "set_back"; readonly agent: AgentName; readonly anew: boolean }
  | { readonly kind: "not_started"; readonly agent: AgentName; readonly reason: string };

export interface ReconcilerOptions {
  readonly self: NodeId;
  readonly table: AssignmentTable;
  readonly store: Pick<AssignmentStore, "get" | "put">;
  readonly durable: Pick<Store, "getMeta" | "putMeta">;
  readonly local: LocalAgents;
  readonly modules: () => ModuleShelf;
  readonly clock: Clock;
  /** Resolves when what is here from the last run may be gone on with. Throws `unavailable` where that takes too long. */
  readonly known: () => Promise<void>;
  readonly event: (event: ReconcilerEvent) => void;
  readonly failed: (what: string, reason: string) => void;
}

interface Failure {
  readonly attempts: number;
  readonly reason: string;
  readonly timer: Timer;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #pending = new Set<AgentName>();
  readonly #busy = new Map<AgentName, Promise<void>>();
  readonly #failures = new Map<AgentName, Failure>();
  /** Being handed over by this node: theirs to decide until they let go. */
  readonly #held = new Set<AgentName>();
  #unsubscribe: (() => void) | undefined;
  /** What is here and not assigned was removed, and is not from before the assignments. */
  #adopted = false;
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Agents that could not be started as assigned, and are tried again. */
  get failing(): number {
    return this.#failures.size;
  }

  /**
   * From now on. The table must hold what the cluster has decided by now: with an older one, agents that are
   * others' would start. Resolves when everything that is here and everything assigned here was looked at once.
   */
  async start(): Promise<void> {
    const { table, local, self } = this.#options;
    const { durable } = this.#options;
    this.#adopted = (await durable.getMeta(adoptedKey)) !== undefined;
    this.#unsubscribe = table.subscribe((changed) => this.#look(changed));
    const names = [...new Set([...local.names(), ...table.of(self)])];
    const workers = Array.from({ length: atOnce }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await this.#guarded(name);
    });
    await Promise.all(workers);
    if (this.#adopted || this.#failures.size > 0) return;
    await durable.putMeta(adoptedKey, new Uint8Array([1]));
    this.#adopted = true;
  }

  /** Looks at one agent now, and throws why it does not run as it is assigned. */
  async settle(name: AgentName): Promise<void> {
    await this.#options.known();
    await this.#busy.get(name);
    await this.#run(name, () => this.#one(name));
  }

  /** An agent of this node, also one that was assigned and cannot be started: then its `reason` says why. */
  async detail(name: AgentName): Promise<AgentDetail> {
    const { table, local, self } = this.#options;
    const waitsFor = this.#failures.get(name)?.reason ?? "";
    const owned = table.get(name);
    if (!local.has(name) && owned?.node === self) return unstarted(owned.spec, waitsFor);
    const detail = await local.detail(name);
    return detail.reason === "" ? { ...detail, reason: waitsFor } : detail;
  }

  /** Everything here that was given away has stopped when this resolves. Throws when one could not be stopped. */
  async yieldGiven(): Promise<void> {
    const { table, local } = this.#options;
    const given = local
      .names()
      .filter((name) => (table.get(name)?.epoch ?? 0) > (local.get(name)?.spec.epoch ?? 0));
    await Promise.all(given.map((name) => this.settle(name)));
  }

  /** Runs `work` with the agent left alone: it is being handed over. */
  async holding<T>(name: AgentName, work: () => Promise<T>): Promise<T> {
    await this.#options.known();
    if (this.#held.has(name))
      throw new CaxtonError("conflict", `Agent ${quote(name)} is being moved already`);
    this.#held.add(name);
    try {
      await this.#busy.get(name);
      return await work();
    } finally {
      this.#held.delete(name);
      this.#look([name]);
    }
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe?.();
    for (const { timer } of this.#failures.values()) timer.cancel();
    this.#pending.clear();
  }

  #look(names: readonly AgentName[]): void {
    for (const name of names) {
      if (this.#concerns(name)) this.#pending.add(name);
      else this.#clear(name);
    }
    this.#next();
  }

  #concerns(name: AgentName): boolean {
    const { table, local, self } = this.#options;
    return local.has(name) || table.get(name)?.node === self;
  }

  #next(): void {
    for (const name of this.#pending) {
      if (this.#closed || this.#busy.size >= atOnce) return;
      if (this.#busy.has(name)) continue;
      this.#pending.delete(name);
      void this.#guarded(name);
    }
  }

  async #guarded(name: AgentName): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#run(name, () => this.#one(name));
      this.#clear(name);
    } catch (error) {
      this.#retry(name, reasonOf(error));
    }
  }

  async #run(name: AgentName, work: () => Promise<void>): Promise<void> {
    while (this.#busy.has(name)) await this.#busy.get(name);
    const running = Promise.withResolvers<void>();
    this.#busy.set(name, running.promise);
    try {
      await work();
    } finally {
      this.#busy.delete(name);
      running.resolve();
      this.#next();
    }
  }

  #retry(name: AgentName, reason: string): void {
    if (this.#closed || !this.#concerns(name)) return;
    const known = this.#failures.get(name);
    known?.timer.cancel();
    const attempts = (known?.attempts ?? 0) + 1;
    if (attempts === 1) this.#options.event({ kind: "not_started", agent: name, reason });
    const wait_ms = Math.min(lastRetry_ms, firstRetry_ms * 2 ** Math.min(attempts - 1, 10));
    const timer = this.#options.clock.after(wait_ms, () => this.#look([name]));
    this.#failures.set(name, { attempts, reason, timer });
  }

  #clear(name: AgentName): void {
    this.#failures.get(name)?.timer.cancel();
    this.#failures.delete(name);
  }

  async #one(name: AgentName): Promise<void> {
    if (this.#held.has(name)) return;
    const { table, local, self } = this.#options;
    const owned = table.get(name);
    const here = local.get(name);
    if (owned === undefined) {
      const unreadable = table.unreadable(name);
      if (here === undefined) return;
      if (unreadable === undefined) await this.#unassigned(name);
      else if (unreadable.node !== self && unreadable.epoch > here.spec.epoch)
        await local.yieldTo(name, unreadable.node, unreadable.epoch);
      return;
    }
    if (owned.node === self) {
      await this.#runHere(owned);
      return;
    }
    // A copy under a higher epoch knows more than this node's replica does yet.
    if (here === undefined || here.spec.epoch >= owned.epoch) return;
    if (owned.transfer !== 0 && owned.continues === here.spec.epoch) await local.moved(name);
    else await local.yieldTo(name, owned.node, owned.epoch);
  }

  /** It was removed while this node was away, or this node's replica is behind what it was told. */
  async #unassigned(name: AgentName): Promise<void> {
    const { store, local, table } = this.#options;
    if (!this.#adopted && !table.wasRemoved(name)) {
      await this.#adopt(name);
      return;
    }
    if (!table.wasRemoved(name) && (await store.get(name, "linearizable")) !== null) return;
    if (local.has(name)) await local.remove(name);
  }

  async #runHere(owned: OwnedAgent): Promise<void> {
    const { local, self, event } = this.#options;
    const { agent: name, epoch, continues, transfer } = owned;
    const here = local.get(name);
    if (here !== undefined && here.spec.epoch < epoch) {
      if (continues !== here.spec.epoch || transfer !== 0) await local.yieldTo(name, self, epoch);
      else if (isSetBack(owned)) {
        await local.goOnFromCopy(name, epoch);
        event({ kind: "set_back", agent: name, anew: false });
      } else await local.reassign(name, epoch);
    }
    const now = local.get(name);
    if (now === undefined) await this.#startNew(owned, here !== undefined);
    else if (now.spec.epoch === epoch) await this.#keepRunning(owned);
    await this.#suspend(owned);
  }

  /** `aside`: what was here of it was put aside. */
  async #startNew(owned: OwnedAgent, aside: boolean): Promise<void> {
    const { local, modules, event } = this.#options;
    const { agent, spec, suspended, transfer, previous, cause } = owned;
    await modules().having(spec.module, previous ?? this.#options.self, async () => {
      if (transfer !== 0 && (await local.takeOver(spec, suspended, transfer))) return;
      await local.start(spec, suspended);
      const kept = spec.durability !== "volatile" && (cause === "failover" || transfer !== 0);
      if (!kept || previous === null) return;
      if (isSetBack(owned) && !aside) event({ kind: "set_back", agent, anew: true });
      else event({ kind: "lost", agent, from: previous });
    });
  }

  async #keepRunning(owned: OwnedAgent): Promise<void> {
    const { local, modules, store } = this.#options;
    const { agent: name, spec, revision, epoch } = owned;
    const here = local.get(name);
    if (here === undefined) return;
    if (here.spec.revision > revision) {
      // Either that revision was taken back, or this replica is behind the one that told it.
      const now = await store.get(name, "linearizable");
      if (now === null || now.epoch !== epoch || now.revision !== revision) return;
    }
    if (!local.isHosted(name) && here.status !== "failed") {
      // Where its module is not here any more, a peer has it: that is waited for, rather than failing for good.
      await modules().having(here.spec.module, this.#options.self, () => local.begin(name));
    }
    if (here.spec.revision === revision) return;
    await modules().having(spec.module, this.#options.self, () => local.start(spec));
  }

  async #suspend({ agent: name, suspended, epoch }: OwnedAgent): Promise<void> {
    const { local } = this.#options;
    const here = local.get(name);
    if (here === undefined || here.spec.epoch !== epoch || here.suspended === suspended) return;
    if (suspended) await local.suspend(name);
    else await local.resume(name);
  }

  /** What ran here before the cluster kept assignments is told to it as it is; its assignment then comes back here. */
  async #adopt(name: AgentName): Promise<void> {
    const { store, local, self } = this.#options;
    const here = local.get(name);
    if (here === undefined) return;
    const { spec, suspended } = here;
    const { epoch, revision } = spec;
    const fixed = { agent: name, node: self, expected: null, revision, above: epoch, continues: epoch };
    try {
      await store.put({ ...fixed, cause: "adopted", suspended, spec: encodeSpec(spec) }, "");
    } catch (error) {
      // Another node had it, too, and was first.
      if (!(error instanceof CaxtonError) || error.code !== "conflict") throw error;
    }
  }
}
