/**
 * Which nodes keep a copy of a module though no agent of theirs needs it, so that the loss of the nodes that use it
 * loses no module. By rendezvous hashing: every node finds the same ones, and few change when nodes come and go.
 */
import { reasonOf } from "../base/errors.ts";
import { hashText } from "../base/hash-text.ts";
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { AssignmentTable } from "./assignment-table.ts";
import { moduleKey } from "./module-key.ts";
import type { ModuleShelf } from "./module-shelf.ts";

/** Copies beside those of the owners. */
const copies = 3;
/** Changes are gathered for so long: a loss of a node comes with many. */
const gather_ms = 500;
const again_ms = 10_000;
/** Modules of a lost node that are made ready while its lease runs out. */
const readyLimit = 16;

export interface ModuleKeepersOptions {
  readonly table: AssignmentTable;
  readonly membership: Membership;
  readonly modules: () => Pick<ModuleShelf, "keep" | "release" | "prepare">;
  readonly stored: () => Promise<readonly { readonly hash: ModuleHash }[]>;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

export class ModuleKeepers {
  readonly #options: ModuleKeepersOptions;
  readonly #unsubscribe: (() => void)[];
  /** Modules of agents that are assigned anywhere, and whose they are. */
  readonly #users = new Map<ModuleHash, Set<AgentName>>();
  readonly #moduleOf = new Map<AgentName, ModuleHash>();
  #timer: Timer | undefined;
  #begun = false;
  #closed = false;

  constructor(options: ModuleKeepersOptions) {
    this.#options = options;
    this.#unsubscribe = [
      options.table.subscribe((changed) => {
        for (const agent of changed) this.#note(agent);
        this.#soon(gather_ms);
      }),
      options.membership.subscribe((event) => {
        if (!("member" in event) || event.kind === "updated") return;
        if (event.kind === "failed") this.makeReady(event.member.id);
        this.#soon(gather_ms);
      }),
    ];
    for (const { agent } of options.table.all()) this.#note(agent);
  }

  /**
   * From now on copies are fetched and let go of. The table must hold what the cluster has decided by now, and this node
   * know its own agents: earlier, each module looks as if nobody needed it.
   */
  begin(): void {
    this.#begun = true;
    this.#soon(gather_ms);
  }

  /** The nodes that keep it, in their order for this module. */
  of(hash: ModuleHash): readonly NodeId[] {
    const { membership } = this.#options;
    const present = membership.members().filter(({ status }) => status === "alive" || status === "suspect");
    return keepersOf(
      hash,
      present.map(({ id }) => id),
    );
  }

  /** Whether this node is to have it for others; until `begin` any of them may be one of those. */
  wants(hash: ModuleHash): boolean {
    if (!this.#begun) return true;
    return this.#users.has(hash) && this.of(hash).includes(this.#options.membership.self);
  }

  #note(agent: AgentName): void {
    const module = this.#options.table.get(agent)?.spec.module;
    const before = this.#moduleOf.get(agent);
    if (module === before) return;
    if (before !== undefined) {
      const users = this.#users.get(before);
      users?.delete(agent);
      if (users?.size === 0) this.#users.delete(before);
      this.#moduleOf.delete(agent);
    }
    if (module === undefined) return;
    this.#moduleOf.set(agent, module);
    const users = this.#users.get(module) ?? new Set();
    this.#users.set(module, users.add(agent));
  }

  /**
   * A node may be gone, and its agents this node's soon: their modules, as far as they are stored here, are prepared while
   * that is not known for certain. Preparing takes longer than starting agents, which all have to do then.
   */
  makeReady(lost: NodeId): void {
    const { table, modules } = this.#options;
    const ready = new Set<string>();
    for (const agent of table.of(lost)) {
      const spec = table.get(agent)?.spec;
      if (spec === undefined || ready.has(moduleKey(spec))) continue;
      if (ready.size >= readyLimit) return;
      ready.add(moduleKey(spec));
      // What is not stored here, or not to be prepared, is told of when an agent comes that needs it.
      modules()
        .prepare(spec)
        .catch(() => undefined);
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
  }

  #soon(wait_ms: number): void {
    if (this.#timer !== undefined || this.#closed || !this.#begun) return;
    this.#timer = this.#options.clock.after(wait_ms, () => {
      this.#look().then(
        (complete) => {
          this.#timer = undefined;
          if (!complete) this.#soon(again_ms);
        },
        (error: unknown) => {
          this.#timer = undefined;
          this.#options.failed("keep copies of modules", reasonOf(error));
          this.#soon(again_ms);
        },
      );
    });
  }

  /** False when a copy is missing still. */
  async #look(): Promise<boolean> {
    const { modules, stored, membership, table } = this.#options;
    const here = new Set((await stored()).map(({ hash }) => hash));
    for (const hash of here) if (!this.wants(hash)) await modules().release(hash);
    let complete = true;
    for (const [hash, [user]] of [...this.#users]) {
      if (this.#closed || here.has(hash) || !this.wants(hash)) continue;
      const node = user === undefined ? undefined : table.get(user)?.node;
      if (node === undefined) continue;
      try {
        await modules().keep(hash, node);
      } catch (error) {
        complete = false;
        // Alone there is nobody to have it from.
        if (membership.members().length > 1)
          this.#options.failed(`keep a copy of module ${hash.slice(0, 12)}`, reasonOf(error));
      }
    }
    return complete;
  }
}

/** The first few by a hash of both names. */
export function keepersOf(hash: ModuleHash, nodes: readonly NodeId[]): readonly NodeId[] {
  return nodes
    .map((node) => ({ node, weight: hashText(`${hash}${node}`) }))
    .toSorted((a, b) => b.weight - a.weight || (a.node < b.node ? -1 : 1))
    .slice(0, copies)
    .map(({ node }) => node);
}
