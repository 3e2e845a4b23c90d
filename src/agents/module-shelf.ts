/**
 * A node's modules: stored once by hash, fetched from peers when missing, prepared once for each way
 * in which agents use them, and removed when no agent needs them any more.
 */
import { createHash } from "node:crypto";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { parseModuleHash, quote } from "../base/ids.ts";
import type { ModuleHash, NodeId } from "../base/ids.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../store/store.ts";
import { moduleLimits } from "../wasm/limits.ts";
import type { PreparedModule } from "../wasm/prepare.ts";
import type { Preparer } from "../wasm/prepare-thread.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import { encodeUtf8, decodeUtf8 } from "../wire/cursor.ts";
import { moduleKey } from "./module-key.ts";

export const modulesMethod = "modules.get";
export const keepMethod = "modules.keep";

/** Prepared modules in memory; they are made again when needed. */
const preparedLimit = 128;
const preparedLimit_bytes = 128 * 1024 * 1024;
/** Modules being prepared at a time, below what the preparer takes. */
const preparingLimit = 8;
/** Peers that are asked for a module, one after another. */
const peersAsked = 5;
const fetch_ms = 30_000;
/** A copy that was asked for waits this long for the assignment that it is for. */
const expected_ms = 60_000;

export interface ModuleShelfOptions {
  readonly store: Store;
  readonly preparer: Preparer;
  readonly membership: Membership;
  readonly peers: Peers;
  /** Whether an agent of this node has it, or it is one of those that this node keeps for others. */
  readonly inUse: (hash: ModuleHash) => boolean;
  /** Nodes that keep a copy, though no agent of theirs has it. */
  readonly keepers: (hash: ModuleHash) => readonly NodeId[];
  readonly clock: Clock;
}

type Want = Pick<AgentSpec, "module" | "capabilities" | "limits">;

/** SHA-256 of a module's bytes. */
export function hashModule(bytes: Uint8Array): ModuleHash {
  return createHash("sha256").update(bytes).digest("hex") as ModuleHash;
}

export class ModuleShelf {
  readonly #options: ModuleShelfOptions;
  /** In order of use. */
  readonly #prepared = new Map<string, PreparedModule>();
  #prepared_bytes = 0;
  readonly #preparing = new Map<string, Promise<PreparedModule>>();
  readonly #turns: (() => void)[] = [];
  #busy = 0;
  /** Known to be stored: a thousand agents of one module ask for it once. */
  readonly #stored = new Set<ModuleHash>();
  readonly #storing = new Map<ModuleHash, Promise<void>>();
  /** Held while a deployment needs them. */
  readonly #held = new Map<ModuleHash, number>();

  constructor(options: ModuleShelfOptions) {
    this.#options = options;
    options.peers.handle(modulesMethod, (body) => this.#give(body));
    options.peers.handle(keepMethod, async (body, { from }) => {
      await this.keep(hashIn(body), from);
      return new Uint8Array();
    });
  }

  /** Throws `invalid_module`. Given `bytes` they are used; else the store's. */
  prepare(want: Want, bytes?: Uint8Array): Promise<PreparedModule> {
    const key = moduleKey(want);
    const known = this.#prepared.get(key);
    if (known !== undefined) {
      this.#prepared.delete(key);
      this.#prepared.set(key, known);
      return Promise.resolve(known);
    }
    const running = this.#preparing.get(key);
    if (running !== undefined) return running;
    const work = this.#prepareNow(key, want, bytes).finally(() => this.#preparing.delete(key));
    this.#preparing.set(key, work);
    return work;
  }

  /** Runs `work` with the module stored here, and keeps it for as long. */
  async holding<T>(hash: ModuleHash, bytes: Uint8Array, work: () => Promise<T>): Promise<T> {
    this.#held.set(hash, (this.#held.get(hash) ?? 0) + 1);
    try {
      await this.#options.store.putModule(hash, bytes);
      return await work();
    } finally {
      this.#letGo(hash);
      await this.release(hash);
    }
  }

  /** Runs `work` with the module stored here, from a peer if need be, and keeps it for as long. `first` is asked first. */
  async having<T>(hash: ModuleHash, first: NodeId, work: () => Promise<T>): Promise<T> {
    this.#held.set(hash, (this.#held.get(hash) ?? 0) + 1);
    try {
      await this.#store(hash, first);
      return await work();
    } finally {
      this.#letGo(hash);
      await this.release(hash);
    }
  }

  /** Stores the module from a peer, verified, when it is not here. `first` is asked first. */
  async fetch(hash: ModuleHash, first: NodeId): Promise<Uint8Array> {
    const stored = await this.#options.store.getModule(hash);
    if (stored !== undefined) return stored;
    const reasons: string[] = [];
    for (const node of this.#holders(hash, first)) {
      try {
        const bytes = await this.#options.peers.request(node, modulesMethod, encodeUtf8(hash), {
          timeout_ms: fetch_ms,
        });
        if (bytes.length > moduleLimits.module_bytes || hashModule(bytes) !== hash) {
          throw new CaxtonError("data_corrupt", "what it sent has another SHA-256");
        }
        return bytes;
      } catch (error) {
        reasons.push(`${node}: ${reasonOf(error)}`);
      }
    }
    throw new CaxtonError(
      "unavailable",
      `Cannot fetch module ${hash.slice(0, 12)} from any peer (${reasons.join("; ")})`,
    );
  }

  /** Stores a copy; it stays while it is in use, and for a minute at least. */
  async keep(hash: ModuleHash, first: NodeId): Promise<void> {
    this.#held.set(hash, (this.#held.get(hash) ?? 0) + 1);
    this.#options.clock.after(expected_ms, () => {
      this.#letGo(hash);
      this.release(hash).catch(() => undefined);
    });
    await this.#store(hash, first);
  }

  /** Removes the module when neither an agent here nor a deployment needs it. */
  async release(hash: ModuleHash): Promise<void> {
    if (this.#held.has(hash) || this.#options.inUse(hash)) return;
    this.#stored.delete(hash);
    await this.#options.store.removeModule(hash);
  }

  /** One read or fetch for all that ask meanwhile. What is held is not removed. */
  #store(hash: ModuleHash, first: NodeId): Promise<void> {
    if (this.#stored.has(hash)) return Promise.resolve();
    const running = this.#storing.get(hash);
    if (running !== undefined) return running;
    const work = this.#storeNow(hash, first).finally(() => this.#storing.delete(hash));
    this.#storing.set(hash, work);
    return work;
  }

  async #storeNow(hash: ModuleHash, first: NodeId): Promise<void> {
    const { store } = this.#options;
    if ((await store.getModule(hash)) === undefined)
      await store.putModule(hash, await this.fetch(hash, first));
    this.#stored.add(hash);
  }

  #letGo(hash: ModuleHash): void {
    const left = (this.#held.get(hash) ?? 1) - 1;
    if (left > 0) this.#held.set(hash, left);
    else this.#held.delete(hash);
  }

  async #give(body: Uint8Array): Promise<Uint8Array> {
    const hash = hashIn(body);
    const bytes = await this.#options.store.getModule(hash);
    if (bytes === undefined)
      throw new CaxtonError("not_found", `Module ${quote(hash)} is not stored on this node`);
    return bytes;
  }

  async #prepareNow(key: string, want: Want, bytes: Uint8Array | undefined): Promise<PreparedModule> {
    await this.#turn();
    try {
      const module = bytes ?? (await this.#options.store.getModule(want.module));
      if (module === undefined) {
        throw new CaxtonError(
          "not_found",
          `Module ${want.module.slice(0, 12)} is not stored on this node; deploy again`,
        );
      }
      const { memory_bytes } = want.limits;
      const prepared = await this.#options.preparer.prepare(module, {
        granted: want.capabilities,
        limits: { memory_bytes },
      });
      this.#keep(key, prepared);
      return prepared;
    } finally {
      this.#busy--;
      this.#turns.shift()?.();
    }
  }

  async #turn(): Promise<void> {
    while (this.#busy >= preparingLimit) await new Promise<void>((resolve) => this.#turns.push(resolve));
    this.#busy++;
  }

  #keep(key: string, prepared: PreparedModule): void {
    this.#prepared.set(key, prepared);
    this.#prepared_bytes += prepared.instrumented.length;
    for (const [oldest, { instrumented }] of this.#prepared) {
      if (this.#prepared.size <= preparedLimit && this.#prepared_bytes <= preparedLimit_bytes) return;
      if (oldest === key) return;
      this.#prepared.delete(oldest);
      this.#prepared_bytes -= instrumented.length;
    }
  }

  /** `first`, then those that keep copies, then nodes whose agents use it. */
  #holders(hash: ModuleHash, first: NodeId): ReadonlySet<NodeId> {
    const { membership, keepers } = this.#options;
    const holders = new Set<NodeId>([first, ...keepers(hash)].filter((node) => this.#canBeAsked(node)));
    for (const entry of membership.directory()) {
      if (holders.size >= peersAsked) break;
      if (entry.module === hash && this.#canBeAsked(entry.node)) holders.add(entry.node);
    }
    return holders;
  }

  #canBeAsked(node: NodeId): boolean {
    const { membership } = this.#options;
    const status = membership.member(node)?.status;
    return node !== membership.self && (status === "alive" || status === "suspect");
  }
}

function hashIn(body: Uint8Array): ModuleHash {
  if (body.length !== 64) throw new CaxtonError("invalid_argument", "A module is asked for by its SHA-256");
  return parseModuleHash(decodeUtf8(body));
}
