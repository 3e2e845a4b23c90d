/**
 * Seals and opens gossip packets: AES-256-GCM under a subkey of (key, sender, boot epoch, instance), the
 * counter as nonce, the header with the cluster's UUID and name as associated data. A packet changes the
 * sealer's state only after its seal was found good; forged ones cost their check and nothing more.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import type { Entropy } from "../ports/entropy.ts";
import { Writer } from "../wire/cursor.ts";
import type { DatagramHeader } from "../wire/datagram.ts";
import {
  datagramHeader_bytes,
  datagramLimit_bytes,
  instance_bytes,
  readDatagramHeader,
  sealTag_bytes,
  writeDatagramHeader,
} from "../wire/datagram.ts";
import { commonVersion, type ProtocolRange, protocolRange } from "../wire/protocol-version.ts";
import type { DropReason, Opened, Sealer } from "../wire/sealer.ts";
import type { AcceptedKey } from "./keyring.ts";
import { deriveKey, Keyring } from "./keyring.ts";
import { ReplayWindow } from "./replay-window.ts";

/** Senders remembered with their replay windows, about 400 bytes each; the longest silent is forgotten first. */
export const senderLimit = 16_384;
const cipher = "aes-256-gcm";
const nonce_bytes = 12;

export interface GossipSealerOptions {
  readonly node: NodeId;
  /** Persisted, and higher at each start: no (subkey, counter) pair is ever used twice. */
  readonly bootEpoch: number;
  readonly clusterName: string;
  readonly clusterUuid: string;
  /** 32 bytes each, the first seals. From `gossipKeyOf(clusterKey)` unless configured. */
  readonly keys: readonly Uint8Array[];
  readonly entropy?: Entropy;
  /** This build's unless given. */
  readonly protocol?: ProtocolRange;
  /** Lives with a boot epoch above it are not heard; any are, unless given. */
  readonly bootCeiling?: () => number;
}

export interface GossipSealer extends Sealer {
  /** Other keys from now on; the first seals. Senders already heard keep their windows. */
  setKeys(keys: readonly Uint8Array[]): void;
}

export function createGossipSealer(options: GossipSealerOptions): GossipSealer {
  return new AesGcmSealer(options);
}

/** One life of a sender. The subkey is kept for the key that it used last. */
interface Sender {
  readonly bootEpoch: number;
  readonly instance: Uint8Array;
  readonly window: ReplayWindow;
  readonly version: number;
  key: AcceptedKey;
  subkey: Uint8Array;
}

class AesGcmSealer implements GossipSealer {
  readonly payloadLimit_bytes: number;
  readonly #header_bytes: number;
  readonly #instance: Uint8Array;
  readonly #cluster: Uint8Array;
  readonly #protocol: ProtocolRange;
  /** By the length of a header: room for one, then the cluster. */
  readonly #associated = new Map<number, Uint8Array>();
  readonly #senders = new Map<NodeId, Sender>();
  #keyring: Keyring;
  #subkey: Uint8Array;
  #counter = 0;

  constructor(private readonly options: GossipSealerOptions) {
    assert(Number.isSafeInteger(options.bootEpoch) && options.bootEpoch >= 0, "boot epoch is a whole number");
    this.#header_bytes = datagramHeader_bytes(options.node);
    this.payloadLimit_bytes = datagramLimit_bytes - this.#header_bytes - sealTag_bytes;
    this.#instance = (options.entropy ?? systemEntropy).bytes(instance_bytes);
    this.#protocol = options.protocol ?? protocolRange;
    this.#cluster = new Writer().text(options.clusterUuid).text(options.clusterName).finish();
    this.#keyring = new Keyring(options.keys);
    this.#subkey = this.#ownSubkey();
  }

  setKeys(keys: readonly Uint8Array[]): void {
    this.#keyring = new Keyring(keys);
    this.#subkey = this.#ownSubkey();
  }

  seal(payload: Uint8Array): Uint8Array {
    assert(
      payload.length <= this.payloadLimit_bytes,
      `a gossip payload is at most ${this.payloadLimit_bytes} bytes`,
    );
    assert(this.#counter < Number.MAX_SAFE_INTEGER, "the packet counter of a boot is not used up");
    const header = this.#header(this.#counter++);
    const datagram = new Uint8Array(this.#header_bytes + payload.length + sealTag_bytes);
    writeDatagramHeader(datagram, header);
    const aes = createCipheriv(cipher, this.#subkey, nonceOf(header.counter));
    aes.setAAD(this.#associatedData(datagram.subarray(0, this.#header_bytes)));
    datagram.set(aes.update(payload), this.#header_bytes);
    aes.final();
    datagram.set(aes.getAuthTag(), this.#header_bytes + payload.length);
    return datagram;
  }

  open(datagram: Uint8Array): Opened {
    const parsed = readDatagramHeader(datagram);
    if (parsed === undefined) return dropped("malformed");
    const { header, sealedAt } = parsed;
    const version = commonVersion(this.#protocol, header.protocol);
    if (version === undefined) return dropped("version");
    const key = this.#keyring.find(header.keyId);
    if (key === undefined) return dropped("unknown_key");
    const known = this.#senders.get(header.sender);
    const stale = known ? staleness(known, header) : this.#reflection(header);
    if (stale !== undefined) return dropped(stale);
    const same = known?.bootEpoch === header.bootEpoch ? known : undefined;
    const subkey = same?.key === key ? same.subkey : subkeyOf(key, header);
    const payload = this.#decrypt(datagram, sealedAt, subkey, header.counter);
    if (payload === undefined) return dropped("bad_seal");
    if (!same && header.bootEpoch > (this.options.bootCeiling?.() ?? Infinity)) return dropped("future_boot");
    this.#remember(header, version, key, subkey, same);
    return { kind: "opened", sender: header.sender, bootEpoch: header.bootEpoch, payload };
  }

  versionWith(node: NodeId): number | undefined {
    return this.#senders.get(node)?.version;
  }

  #header(counter: number): DatagramHeader {
    const { node: sender, bootEpoch } = this.options;
    return {
      protocol: this.#protocol,
      keyId: this.#keyring.sealing.id,
      sender,
      bootEpoch,
      counter,
      instance: this.#instance,
    };
  }

  #ownSubkey(): Uint8Array {
    return subkeyOf(this.#keyring.sealing, this.#header(0));
  }

  /** An own packet that somebody sends back is a replay, too. */
  #reflection(header: DatagramHeader): DropReason | undefined {
    return header.sender === this.options.node && equal(header.instance, this.#instance)
      ? "replayed"
      : undefined;
  }

  #decrypt(
    datagram: Uint8Array,
    sealedAt: number,
    subkey: Uint8Array,
    counter: number,
  ): Uint8Array | undefined {
    const tagAt = datagram.length - sealTag_bytes;
    const aes = createDecipheriv(cipher, subkey, nonceOf(counter), { authTagLength: sealTag_bytes });
    aes.setAAD(this.#associatedData(datagram.subarray(0, sealedAt)));
    aes.setAuthTag(datagram.subarray(tagAt));
    const payload = aes.update(datagram.subarray(sealedAt, tagAt));
    try {
      aes.final();
    } catch {
      return undefined;
    }
    return new Uint8Array(payload);
  }

  /** Valid until the next packet. */
  #associatedData(header: Uint8Array): Uint8Array {
    const { length } = header;
    let data = this.#associated.get(length);
    if (!data) {
      data = new Uint8Array(length + this.#cluster.length);
      data.set(this.#cluster, length);
      this.#associated.set(length, data);
    }
    data.set(header);
    return data;
  }

  /** Only for authenticated packets. Moves the sender to the end: the first in the map is the longest silent. */
  #remember(
    header: DatagramHeader,
    version: number,
    key: AcceptedKey,
    subkey: Uint8Array,
    same: Sender | undefined,
  ): void {
    const { bootEpoch } = header;
    const sender = same ?? {
      bootEpoch,
      instance: header.instance.slice(),
      window: new ReplayWindow(),
      version,
      key,
      subkey,
    };
    sender.key = key;
    sender.subkey = subkey;
    sender.window.take(header.counter);
    this.#senders.delete(header.sender);
    this.#senders.set(header.sender, sender);
    if (this.#senders.size <= senderLimit) return;
    for (const longestSilent of this.#senders.keys()) {
      this.#senders.delete(longestSilent);
      return;
    }
  }
}

/**
 * Why a packet of a known sender is not fresh. A second instance of one boot epoch is a copy of the
 * node's disk: the one that was heard first stays.
 */
function staleness(known: Sender, header: DatagramHeader): DropReason | undefined {
  if (header.bootEpoch > known.bootEpoch) return undefined;
  if (header.bootEpoch < known.bootEpoch || !equal(header.instance, known.instance)) return "old_boot";
  return known.window.isFresh(header.counter) ? undefined : "replayed";
}

function subkeyOf(key: AcceptedKey, header: DatagramHeader): Uint8Array {
  const context = new Writer().text(header.sender).u64(header.bootEpoch).raw(header.instance).finish();
  return deriveKey(key.secret, "gossip packet subkey", context);
}

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(nonce_bytes);
  const [low, high] = [counter % 0x1_0000_0000, Math.floor(counter / 0x1_0000_0000)];
  for (let i = 0; i < 4; i++) {
    nonce[i] = low >>> (8 * i);
    nonce[4 + i] = high >>> (8 * i);
  }
  return nonce;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function dropped(reason: DropReason): Opened {
  return { kind: "dropped", reason };
}
