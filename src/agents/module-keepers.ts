/**
 * Which nodes keep a copy of a module though no agent of theirs needs it, so that the loss of the nodes that use it
 * loses no module. By rendezvous hashing: every node finds the same ones, and few change when nodes come and go.
 */
import { reasonOf } from "../base/errors.ts";
import type { ModuleHash, NodeId } from "../base/ids.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { AssignmentTable } from "./assignment-table.ts";
import type { ModuleShelf } from "./module-shelf.ts";

/** Copies beside those of the owners. */
const copies = 3;
/** Changes are gathered for so long: a loss of a node comes with many. */
const gather_ms = 500;
const again_ms = 10_000;

export interface ModuleKeepersOptions {
  readonly table: AssignmentTable;
  readonly membership: Membership;
  readonly modules: () => Pick<ModuleShelf, "keep" | "release">;
  readonly stored: () => Promise<readonly { readonly hash: ModuleHash }[]>;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

export class ModuleKeepers {
  readonly #options: ModuleKeepersOptions;
  readonly #unsubscribe: (() => void)[];
  /** Modules of agents that are assigned anywhere, each with a node that has one; null when that has to be found anew. */
  #users: ReadonlyMap<ModuleHash, NodeId> | null = null;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: ModuleKeepersOptions) {
    this.#options = options;
    this.#unsubscribe = [
      options.table.subscribe(() => {
        this.#users = null;
        this.#soon(gather_ms);
      }),
      options.membership.subscribe((event) => {
        if ("member" in event && event.kind !== "updated") this.#soon(gather_ms);
      }),
    ];
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

  /** Whether this node is to have it for others. */
  wants(hash: ModuleHash): boolean {
    return this.#assigned().has(hash) && this.of(hash).includes(this.#options.membership.self);
  }

  #assigned(): ReadonlyMap<ModuleHash, NodeId> {
    if (this.#users !== null) return this.#users;
    const users = new Map<ModuleHash, NodeId>();
    for (const { spec, node } of this.#options.table.all()) users.set(spec.module, node);
    this.#users = users;
    return users;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const end of this.#unsubscribe) end();
  }

  #soon(wait_ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
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
    const { modules, stored, membership } = this.#options;
    const here = new Set((await stored()).map(({ hash }) => hash));
    for (const hash of here) if (!this.wants(hash)) await modules().release(hash);
    let complete = true;
    for (const [hash, node] of this.#assigned()) {
      if (this.#closed || here.has(hash) || !this.wants(hash)) continue;
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
    .map((node) => ({ node, weight: mixed(`${hash}${node}`) }))
    .toSorted((a, b) => b.weight - a.weight || (a.node < b.node ? -1 : 1))
    .slice(0, copies)
    .map(({ node }) => node);
}

/** FNV-1a with a final mix: spread is all that matters here. */
function mixed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  return (hash ^ (hash >>> 13)) >>> 0;
}
