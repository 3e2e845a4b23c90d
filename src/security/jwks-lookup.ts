/**
 * From a token's `kid` to a key that can verify. An id that is not known yet (a node that joined a
 * moment ago) triggers one fetch from peers; the answer "nobody has it" is remembered for a while, and
 * fetches are spaced, so that made-up ids cost the cluster nothing.
 */
import type { CryptoKey } from "jose";
import { LruMap } from "../base/lru-map.ts";
import type { Clock } from "../ports/clock.ts";
import { type Jwk, type PublicKeys, importPublicKey, isKeyId } from "./jwks.ts";

const missing_ms = 30_000;
const missingLimit = 1_024;
/** A fetch is begun at most this often, whatever ids come. */
const fetchSpacing_ms = 250;

export interface KeyLookupOptions {
  readonly keys: PublicKeys;
  readonly clock: Clock;
  /** Asks peers for the key and feeds `keys`; bounded in time by itself. A failure counts as "not there". */
  readonly fetchMissing?: (kid: string) => Promise<void>;
}

export class KeyLookup {
  readonly #options: KeyLookupOptions;
  readonly #missing = new LruMap<string, number>(missingLimit);
  readonly #imported = new Map<string, CryptoKey>();
  #known = new Map<string, Jwk>();
  #fetching: Promise<void> | null = null;
  #lastFetch_ms = Number.NEGATIVE_INFINITY;
  readonly #unsubscribe: () => void;

  constructor(options: KeyLookupOptions) {
    this.#options = options;
    this.#unsubscribe = options.keys.subscribe(() => this.#reload());
    this.#reload();
  }

  /** Whether the id belongs to a key that is in the set now. */
  has(kid: string): boolean {
    return this.#known.has(kid);
  }

  /** The key, or undefined when the cluster has none of that id. */
  async find(kid: unknown): Promise<CryptoKey | undefined> {
    if (!isKeyId(kid)) return undefined;
    if (!this.#known.has(kid)) await this.#fetch(kid);
    const jwk = this.#known.get(kid);
    if (jwk === undefined) return undefined;
    let key = this.#imported.get(kid);
    if (key === undefined) {
      // The key is kept, not its promise: some runtimes forbid awaiting another request's work.
      key = await importPublicKey(jwk);
      if (this.#known.has(kid)) this.#imported.set(kid, key);
    }
    return key;
  }

  close(): void {
    this.#unsubscribe();
  }

  async #fetch(kid: string): Promise<void> {
    const { clock, fetchMissing } = this.#options;
    if (fetchMissing === undefined) return;
    const missingUntil_ms = this.#missing.get(kid);
    if (missingUntil_ms !== undefined && clock.now_ms() < missingUntil_ms) return;
    if (this.#fetching !== null) {
      await this.#fetching;
      return;
    }
    if (clock.now_ms() - this.#lastFetch_ms < fetchSpacing_ms) return;
    this.#lastFetch_ms = clock.now_ms();
    this.#fetching = fetchMissing(kid).catch(() => undefined);
    await this.#fetching;
    this.#fetching = null;
    if (!this.#known.has(kid)) this.#missing.set(kid, clock.now_ms() + missing_ms);
  }

  #reload(): void {
    this.#known = new Map(this.#options.keys.all().map((key) => [key.kid, key]));
    for (const kid of this.#imported.keys()) if (!this.#known.has(kid)) this.#imported.delete(kid);
    for (const kid of this.#known.keys()) this.#missing.delete(kid);
  }
}
