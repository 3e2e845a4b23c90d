/** Sealed datagrams of the gossip driver: the socket, the sealer, and the counts of both. No meaning. */
import { assert } from "../../base/assert.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Address, Datagrams, DatagramSocket } from "../../ports/datagrams.ts";
import { WireError } from "../../wire/cursor.ts";
import {
  type DeathCertificate,
  decodeCertificatePacket,
  isCertificatePacket,
} from "../../wire/death-certificate.ts";
import { datagramLimit_bytes } from "../../wire/datagram.ts";
import type { Sealer } from "../../wire/sealer.ts";
import type { GossipStatistics } from "./statistics.ts";

/** Payload of one packet; every sealer has room for it, whatever the node's name. */
export const payloadLimit_bytes = 1_280;

export interface OpenedPacket {
  readonly from: NodeId;
  readonly boot: number;
  readonly address: Address;
  readonly payload: Uint8Array;
}

export interface PacketHandlers {
  /** False drops everything unread. */
  readonly listening: () => boolean;
  readonly opened: (packet: OpenedPacket) => void;
  readonly dropped: (address: Address, reason: string) => void;
  /** Nobody listens at that address, says its machine, or a firewall before it. */
  readonly refused: (address: Address) => void;
  /** A death certificate that came outside of any packet; not checked yet. */
  readonly certified: (certificate: DeathCertificate) => void;
}

/**
 * The newest packets that came before they could be opened. Whoever lets a joiner in tells others of it at once, and
 * they it of others, while it still keeps the UUID on disk: lost, that news would come again only with a whole table.
 */
const earlyLimit = 64;

export class GossipPackets {
  #socket: DatagramSocket | null = null;
  #sealer: Sealer | null = null;
  #early: { readonly address: Address; readonly datagram: Uint8Array }[] = [];

  constructor(
    private readonly self: NodeId,
    private readonly statistics: GossipStatistics,
    private readonly handlers: PacketHandlers,
  ) {}

  /** Throws as `Datagrams.bind` does. */
  async bind(datagrams: Datagrams, local: Address): Promise<Address> {
    this.#socket = await datagrams.bind(local, {
      packet: (from, bytes) => this.#receive(from, bytes),
      refused: (to) => {
        this.statistics.dropped("icmp_refused");
        this.handlers.refused(to);
      },
    });
    return this.#socket.local;
  }

  /** From now on packets are sent and opened. */
  sealWith(sealer: Sealer): void {
    assert(sealer.payloadLimit_bytes >= payloadLimit_bytes, "a datagram holds a whole payload");
    this.#sealer = sealer;
  }

  /** Hears what came before. */
  hearEarly(): void {
    const early = this.#early;
    this.#early = [];
    for (const { address, datagram } of early) this.#receive(address, datagram);
  }

  setKeys(keys: readonly Uint8Array[]): void {
    this.#sealer?.setKeys?.(keys);
  }

  send(address: Address, payload: Uint8Array): void {
    if (!this.#socket || !this.#sealer) return;
    if (payload.length > this.#sealer.payloadLimit_bytes) {
      this.statistics.dropped("too_large");
      return;
    }
    const datagram = this.#sealer.seal(payload);
    const outcome = this.#socket.send(address, datagram);
    if (outcome !== "sent") this.statistics.dropped(`send_${outcome}`);
    this.statistics.packetsSent++;
    this.statistics.bytesSent += datagram.length;
  }

  #receiveCertificate(datagram: Uint8Array): void {
    try {
      this.handlers.certified(decodeCertificatePacket(datagram));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.statistics.dropped("malformed");
    }
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  #keep(address: Address, datagram: Uint8Array): void {
    if (datagram.length > datagramLimit_bytes) return;
    this.#early.push({ address, datagram });
    if (this.#early.length > earlyLimit) this.#early.shift();
  }

  #receive(address: Address, datagram: Uint8Array): void {
    if (!this.#sealer) {
      this.#keep(address, datagram);
      return;
    }
    this.statistics.packetsReceived++;
    this.statistics.bytesReceived += datagram.length;
    if (!this.handlers.listening()) return;
    if (isCertificatePacket(datagram)) {
      this.#receiveCertificate(datagram);
      return;
    }
    const opened = this.#sealer.open(datagram);
    if (opened.kind === "dropped") {
      this.statistics.dropped(opened.reason);
      this.handlers.dropped(address, opened.reason);
    } else if (opened.sender === this.self) {
      this.statistics.dropped("own_name");
    } else {
      this.handlers.opened({ from: opened.sender, boot: opened.bootEpoch, address, payload: opened.payload });
    }
  }
}
