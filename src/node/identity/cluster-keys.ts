/**
 * One JWKS for the whole cluster: each node signs tokens with its own key, and every node learns
 * the public keys of all, so that a token from any node works at every node. Keys outlive their
 * node here: a token stays valid until it expires even if its issuer is gone.
 */
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { type ClusterKeys, parseJwkSet, type Jwk } from "../../security/jwks.ts";
import type { Store } from "../../store/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";

const method = "security.jwks";
const metaKey = "security.jwks";
const request_ms = 5_000;
/** A node that has just joined may not answer yet: waits before it is asked again. After the last it is told. */
const patience_ms = [100, 400, 1_500, 5_000] as const;
/** Peers asked when a token names a key that nobody told us of. */
const askedForMissing = 5;

export interface KeyExchangeOptions {
  readonly self: NodeId;
  readonly own: Jwk;
  readonly keys: ClusterKeys;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly store: Store;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

export class KeyExchange {
  readonly #options: KeyExchangeOptions;
  readonly #unsubscribe: () => void;
  /** Nodes that are asked again later. */
  readonly #waiting = new Map<NodeId, Timer>();
  #closed = false;

  private constructor(options: KeyExchangeOptions) {
    this.#options = options;
    options.peers.handle(method, () => Promise.resolve(encodeUtf8(this.#ownKeys())));
    this.#unsubscribe = options.membership.subscribe((event) => {
      if (event.kind === "joined" || event.kind === "alive") this.#learnPatiently(event.member.id, 0);
    });
  }

  /** Loads the keys learned before, then keeps them up with the membership. */
  static async start(options: KeyExchangeOptions): Promise<KeyExchange> {
    const kept = await options.store.getMeta(metaKey);
    if (kept !== undefined) {
      const owners = JSON.parse(decodeUtf8(kept)) as Record<string, unknown>;
      for (const [owner, set] of Object.entries(owners)) options.keys.set(owner, await parseJwkSet(set));
    }
    options.keys.set(options.self, [options.own]);
    const exchange = new KeyExchange(options);
    for (const { id, status } of options.membership.members()) {
      if (id !== options.self && status === "alive") exchange.#learnPatiently(id, 0);
    }
    return exchange;
  }

  /** A token names a key that is not known here: asks some alive members, then gives up. */
  async fetchMissing(): Promise<void> {
    const { membership, self } = this.#options;
    const alive = membership.members().filter(({ id, status }) => id !== self && status === "alive");
    await Promise.all(alive.slice(0, askedForMissing).map(({ id }) => this.#learn(id)));
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const timer of this.#waiting.values()) timer.cancel();
  }

  #ownKeys(): string {
    return JSON.stringify({ keys: [this.#options.own] });
  }

  #learnPatiently(node: NodeId, attempt: number): void {
    if (node === this.#options.self) return;
    this.#waiting.get(node)?.cancel();
    this.#waiting.delete(node);
    void this.#learn(node).then((trouble) => {
      const { clock, membership, failed } = this.#options;
      if (trouble === undefined || this.#closed || this.#waiting.has(node)) return;
      // Who is gone is asked when it is back.
      if (membership.member(node)?.status !== "alive") return;
      const wait_ms = patience_ms[attempt];
      if (wait_ms === undefined) failed(`learn the signing key of node "${node}"`, trouble);
      else {
        const again = (): void => this.#learnPatiently(node, attempt + 1);
        this.#waiting.set(node, clock.after(wait_ms, again));
      }
    });
  }

  /** Why it could not; undefined when it did. */
  async #learn(node: NodeId): Promise<string | undefined> {
    const { peers, keys, store } = this.#options;
    try {
      const answer = await peers.request(node, method, new Uint8Array(), { timeout_ms: request_ms });
      const set = await parseJwkSet(JSON.parse(decodeUtf8(answer)));
      if (keys.owners().get(node)?.[0]?.kid === set[0]?.kid) return undefined;
      keys.set(node, set);
      const owners = [...keys.owners()].map(([owner, owned]) => [owner, { keys: owned }] as const);
      await store.putMeta(metaKey, encodeUtf8(JSON.stringify(Object.fromEntries(owners))));
      return undefined;
    } catch (error) {
      return reasonOf(error);
    }
  }
}
