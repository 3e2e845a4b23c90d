/**
 * The gossip keys of a node: the ring of them that the cluster last agreed on, kept in `<data-dir>/gossip.keys`, and
 * before the first rotation the one that is derived from the cluster key. A ring has a generation; the highest wins.
 * How a ring is spread is not known here (node/gossip-rotation.ts).
 */
import { createHash } from "node:crypto";
import { CaxtonError } from "../base/errors.ts";
import { acceptedKeysLimit, gossipKeyOf, key_bytes, keyIdOf } from "./keyring.ts";
import { readSecretFile, writeSecretFile } from "./tokens-file.ts";

export interface GossipRing {
  /** Rises with each step of a rotation; 0 before the first. */
  readonly generation: number;
  /** When the rotation that it belongs to began, Unix ms. */
  readonly since_ms: number;
  /** 32 bytes each: the first seals, all open. None at generation 0: the key follows from the cluster key. */
  readonly keys: readonly Uint8Array[];
}

/** A ring further ahead of the present one is no honest node's. */
const generationStep_max = 1_000_000;
const ringText_max = 4_096;
const keyText = /^[A-Za-z0-9_-]{43}$/;

export class GossipKeys {
  readonly #path: string;
  readonly #derived: Uint8Array;
  readonly #further: readonly Uint8Array[];
  #ring: GossipRing;
  #writing: Promise<unknown> = Promise.resolve();

  /** `further` are accepted besides the ring, by configuration. Throws `CaxtonError` for a file that is no ring. */
  static async open(
    path: string,
    clusterKey: Uint8Array,
    further: readonly Uint8Array[],
  ): Promise<GossipKeys> {
    const bytes = await readSecretFile(path);
    const ring = bytes ? parseGossipRing(new TextDecoder().decode(bytes)) : undefined;
    if (bytes && ring === undefined) {
      throw new CaxtonError(
        "data_corrupt",
        `${JSON.stringify(path)} holds no gossip keys: remove it, and this node takes them from the others`,
      );
    }
    return new GossipKeys(path, clusterKey, further, ring ?? { generation: 0, since_ms: 0, keys: [] });
  }

  private constructor(
    path: string,
    clusterKey: Uint8Array,
    further: readonly Uint8Array[],
    ring: GossipRing,
  ) {
    this.#path = path;
    this.#derived = gossipKeyOf(clusterKey);
    this.#further = further;
    this.#ring = ring;
  }

  get ring(): GossipRing {
    return this.#ring;
  }

  /** The ring's own, never empty: the first seals. */
  get agreed(): readonly Uint8Array[] {
    return this.#ring.keys.length > 0 ? this.#ring.keys : [this.#derived];
  }

  /** What this node opens packets with, and seals with the first of. */
  get accepted(): readonly Uint8Array[] {
    const { agreed } = this;
    const more = this.#further.filter((key) => !agreed.some((one) => Buffer.compare(one, key) === 0));
    return [...agreed, ...more].slice(0, acceptedKeysLimit);
  }

  /** The time of the first rotation by schedule counts from now on. */
  async begin(since_ms: number): Promise<void> {
    const turn = this.#writing.then(async () => {
      const ring = { ...this.#ring, since_ms };
      if (this.#ring.since_ms === 0) await this.#keep(ring);
    });
    this.#writing = turn.catch(() => undefined);
    await turn;
  }

  /** False when it is not newer than the present one; true once it is on disk. Throws `disk_full`, `storage_failed`. */
  async take(ring: GossipRing): Promise<boolean> {
    const turn = this.#writing.then(async () => {
      if (!isNewerRing(ring, this.#ring)) return false;
      await this.#keep(ring);
      return true;
    });
    this.#writing = turn.catch(() => undefined);
    return await turn;
  }

  async #keep(ring: GossipRing): Promise<void> {
    await writeSecretFile(this.#path, new TextEncoder().encode(`${formatGossipRing(ring)}\n`));
    this.#ring = ring;
  }
}

/** Whether `ring` replaces `present`. Of two with one generation the same wins at every node. */
export function isNewerRing(ring: GossipRing, present: GossipRing): boolean {
  if (ring.generation !== present.generation) {
    const step = ring.generation - present.generation;
    return step > 0 && step <= generationStep_max;
  }
  return ringId(ring) > ringId(present);
}

/** Which keys in which order, without telling them. */
export function ringId({ keys }: GossipRing): string {
  const hash = createHash("sha256");
  for (const key of keys) hash.update(keyIdOf(key));
  return hash.digest("hex");
}

/** The id of a key as people see it: 16 hexadecimal digits. */
export function keyIdText(key: Uint8Array): string {
  return Buffer.from(keyIdOf(key)).toString("hex");
}

/** One line of JSON: for the file, and for other nodes over a stream that proves who they are. */
export function formatGossipRing({ generation, since_ms, keys }: GossipRing): string {
  return JSON.stringify({
    generation,
    since_ms,
    keys: keys.map((key) => Buffer.from(key).toString("base64url")),
  });
}

/** Undefined for anything that is no ring. */
export function parseGossipRing(text: string): GossipRing | undefined {
  if (text.length > ringText_max) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { generation, since_ms, keys } = value as Partial<Record<string, unknown>>;
  if (!isCount(generation) || !isCount(since_ms) || !Array.isArray(keys)) return undefined;
  if (keys.length > acceptedKeysLimit || (keys.length === 0) !== (generation === 0)) return undefined;
  const read = keys.map((key) =>
    typeof key === "string" && keyText.test(key) ? new Uint8Array(Buffer.from(key, "base64url")) : undefined,
  );
  const good = read.filter((key) => key?.length === key_bytes) as Uint8Array[];
  return good.length === keys.length ? { generation, since_ms, keys: good } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
