/**
 * Addresses of members, kept over restarts: so that nodes which all stop at once find each other
 * again, even when every seed is gone. Hints only: whoever answers there must have the cluster's key.
 */
import { reasonOf } from "../../base/errors.ts";
import { formatHostPort, parseHostPort } from "../../base/host-port.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { Store } from "../../store/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";

const metaKey = "cluster.peers";
/** Changes gather for this long before they are written. */
const writeAfter_ms = 2_000;
/** Seeds are tried for ever, so the list is short: any one of them leads to all. */
const peersLimit = 16;

export interface KnownPeersOptions {
  readonly membership: Membership;
  readonly store: Store;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

export class KnownPeers {
  readonly #options: KnownPeersOptions;
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;
  #written = "";

  /** Adds the peers of the last run to the seeds, and keeps the list up from now on. */
  static async start(options: KnownPeersOptions): Promise<KnownPeers> {
    const kept = await options.store.getMeta(metaKey);
    if (kept !== undefined) {
      const seeds = readAddresses(kept);
      if (seeds.length > 0) options.membership.join(seeds);
    }
    return new KnownPeers(options);
  }

  private constructor(options: KnownPeersOptions) {
    this.#options = options;
    this.#unsubscribe = options.membership.subscribe((event) => {
      if (event.kind === "directory" || event.kind === "refused" || event.kind === "suspect") return;
      this.#timer ??= options.clock.after(writeAfter_ms, () => void this.#write());
    });
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#unsubscribe();
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    await this.#write();
  }

  async #write(): Promise<void> {
    this.#timer = undefined;
    const { membership, store, failed } = this.#options;
    const others = membership
      .members()
      .filter(({ id, status }) => id !== membership.self && status !== "left");
    // Without others the last list stays: they may be back when this node restarts.
    if (others.length === 0) return;
    const recent = others.toSorted((a, b) => b.lastSeen_ms - a.lastSeen_ms).slice(0, peersLimit);
    const text = JSON.stringify(recent.map(({ address }) => formatHostPort(address)).toSorted());
    if (text === this.#written) return;
    this.#written = text;
    try {
      await store.putMeta(metaKey, encodeUtf8(text));
    } catch (error) {
      this.#written = "";
      failed("keep the addresses of the other nodes", reasonOf(error));
    }
  }
}

/** What is damaged is left out: the list is a hint. */
function readAddresses(kept: Uint8Array): readonly Address[] {
  try {
    const list: unknown = JSON.parse(decodeUtf8(kept));
    if (!Array.isArray(list)) return [];
    return list
      .slice(0, peersLimit)
      .filter((text): text is string => typeof text === "string")
      .map((text) => parseHostPort(text));
  } catch {
    return [];
  }
}
