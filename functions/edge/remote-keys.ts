/**
 * The cluster's public keys, fetched from a configured node and kept for a while. Each request that
 * needs them fetches by itself (no promise is shared between requests: workerd forbids it), at most
 * every few seconds for ids that nobody has.
 */
import { CaxtonError } from "../../src/base/errors.ts";
import { isKeyId, keyLimit, parseJwkSet, type Jwk, type PublicKeys } from "../../src/security/jwks.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { getJson } from "./upstream.ts";

const fresh_ms = 300_000;
const retry_ms = 2_000;
const fetch_ms_max = 3_000;
const keySet_bytes_max = 1024 * 1024;

export class RemoteKeys implements PublicKeys {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #keys: readonly Jwk[] = [];
  #kids = new Set<string>();
  #fetched_ms = Number.NEGATIVE_INFINITY;
  #tried_ms = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  all(): readonly Jwk[] {
    return this.#keys;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Makes sure that the key is here if the cluster has it, asking the nodes in turn. Old keys are used
   * on when no node answers; throws `unavailable` only when there never were any.
   */
  async ensure(kid: unknown, nodes: readonly string[]): Promise<void> {
    const now_ms = this.#clock.now_ms();
    const known = typeof kid === "string" && this.#kids.has(kid);
    if (known && now_ms - this.#fetched_ms < fresh_ms) return;
    if (!known && !isKeyId(kid) && this.#keys.length > 0) return;
    if (this.#keys.length > 0 && now_ms - this.#tried_ms < retry_ms) return;
    this.#tried_ms = now_ms;
    for (const node of nodes) {
      try {
        const { status, json } = await getJson(`${node}/.well-known/jwks.json`, {
          timeout_ms: fetch_ms_max,
          limit_bytes: keySet_bytes_max,
        });
        if (status === 200) {
          this.#replace(await parseJwkSet(json, keyLimit));
          return;
        }
      } catch (error) {
        if (!(error instanceof CaxtonError)) throw error;
      }
    }
    if (this.#keys.length === 0)
      throw new CaxtonError("unavailable", "No node gave the cluster's public keys");
  }

  #replace(keys: readonly Jwk[]): void {
    this.#keys = keys;
    this.#kids = new Set(keys.map(({ kid }) => kid));
    this.#fetched_ms = this.#clock.now_ms();
    for (const listener of this.#listeners) listener();
  }
}
