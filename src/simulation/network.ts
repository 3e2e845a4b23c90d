/**
 * Datagrams between simulated machines: real bytes, and a fate for each packet from its sender's own
 * generator. Also remembers recent packets, for an attacker who sends them again.
 */
import type { Prng } from "../base/prng.ts";
import type { VirtualClock } from "../platform/memory/clock.ts";
import type { Address, DatagramHandlers, Datagrams, DatagramSocket } from "../ports/datagrams.ts";
import type { Host } from "./host.ts";
import type { Links } from "./links.ts";
import { generatorOf } from "./generator.ts";
import type { NetworkQuality } from "./scenario.ts";
import { toTicks_ms } from "./ticks.ts";

export interface Packet {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  /** A byte was changed on the way. */
  readonly altered: boolean;
  /** The original, of a copy by the network or an attacker. */
  readonly original: Packet | null;
  /** Lives of receivers that believed this packet or one of its copies; kept on the original. */
  readonly believedBy: number[];
}

/** What one node's process listens with. */
interface Port {
  readonly handlers: DatagramHandlers;
  readonly life: number;
}

export const gossipPort = 7_946;
/** A delay varies by up to this share of itself. */
const jitterShare = 0.1;
/** A packet that is overtaken is this much later at most. */
const reordered_ms = 20;
const recentLimit = 4_096;

export class SimulatedNetwork {
  /** By sender. */
  readonly sentPackets: Float64Array;
  readonly sentBytes: Float64Array;
  /** The packet that its receiver is handling right now. */
  delivering: Packet | null = null;
  readonly #ports: (Port | null)[];
  readonly #addresses: readonly Address[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #generators: readonly Prng[];
  readonly #recent: Packet[] = [];
  #recentAt = 0;

  constructor(
    private readonly clock: VirtualClock,
    private readonly links: Links,
    private readonly hosts: readonly Host[],
    private readonly quality: NetworkQuality,
    private readonly options: {
      readonly seed: number;
      /** Keeps recent packets, which costs memory, for `replay`. */
      readonly recording: boolean;
      /** False of a machine without power: nobody answers there, not even its kernel. */
      readonly powered: (node: number) => boolean;
      readonly sent: (packet: Packet) => void;
    },
  ) {
    this.sentPackets = new Float64Array(links.nodes);
    this.sentBytes = new Float64Array(links.nodes);
    this.#ports = Array.from({ length: links.nodes }, () => null);
    this.#addresses = this.#ports.map((_, node) => addressOf(node));
    this.#places = new Map(this.#addresses.map(({ host }, node) => [host, node]));
    this.#generators = this.#ports.map((_, node) => generatorOf(options.seed, `packets of ${node}`));
  }

  /** The socket of one life of a node. */
  socketsOf(node: number, life: number): Datagrams {
    const local = addressOf(node);
    const socket: DatagramSocket = {
      local,
      send: (to, bytes) => {
        if (this.#ports[node]?.life !== life) return "closed";
        this.#send(node, this.#at(to.host), bytes);
        return "sent";
      },
      close: () => {
        if (this.#ports[node]?.life === life) this.#ports[node] = null;
        return Promise.resolve();
      },
    };
    return {
      bind: (_local, handlers) => {
        this.#ports[node] = { handlers, life };
        return Promise.resolve(socket);
      },
    };
  }

  /** Puts a datagram on the wire that the node's own process would not have sent. */
  forge(from: number, to: number, bytes: Uint8Array): void {
    this.#send(from, to, bytes);
  }

  /** Sends recent packets again, chosen by `prng`. The receivers' seals must know them. */
  replay(count: number, prng: Prng): void {
    for (let i = 0; i < count; i++) {
      const packet = prng.pick(this.#recent);
      if (!packet) return;
      this.#carry(copyOf(packet), prng.float() * reordered_ms);
    }
  }

  /** −1 of an address that no machine has. */
  #at(host: string): number {
    return this.#places.get(host) ?? -1;
  }

  #send(from: number, to: number, bytes: Uint8Array): void {
    this.sentPackets[from] = (this.sentPackets[from] as number) + 1;
    this.sentBytes[from] = (this.sentBytes[from] as number) + bytes.length;
    const packet: Packet = { from, to, bytes, altered: false, original: null, believedBy: [] };
    this.options.sent(packet);
    if (this.options.recording) this.#record(packet);
    if (to >= 0 && to < this.links.nodes) (this.hosts[from] as Host).send(() => this.#draw(packet));
  }

  /** Its fate. */
  #draw(packet: Packet): void {
    const { from, to } = packet;
    const prng = this.#generators[from] as Prng;
    const { loss, duplication, reordering, corruption } = this.quality;
    const wrongs = this.links.wrongs(from, to);
    if (prng.chance(wrongs ? 1 - (1 - loss) * (1 - wrongs.loss) : loss)) return;
    const late_ms = prng.chance(reordering) ? prng.float() * reordered_ms : 0;
    this.#carry(prng.chance(corruption) ? alteredCopy(packet, prng) : packet, late_ms);
    if (prng.chance(Math.max(duplication, wrongs?.duplication ?? 0))) {
      this.#carry(copyOf(packet), prng.float() * reordered_ms);
    }
  }

  #carry(packet: Packet, late_ms: number): void {
    const { from, to } = packet;
    if (!this.links.passes(from, to)) return;
    const base_ms = this.links.delay_ms(from, to) + (this.links.wrongs(from, to)?.delay_ms ?? 0);
    const jitter = 1 + (this.#generators[from] as Prng).float() * jitterShare;
    this.clock.after(toTicks_ms(base_ms * jitter + late_ms), () => this.#arrive(packet));
  }

  #arrive(packet: Packet): void {
    const { from, to } = packet;
    // A cut also takes what was on the wire.
    if (!this.links.passes(from, to) || !this.options.powered(to)) return;
    const port = this.#ports[to];
    if (!port) {
      this.#refuse(from, to);
      return;
    }
    (this.hosts[to] as Host).receive(() => {
      if (this.#ports[to] !== port) return;
      this.delivering = packet;
      port.handlers.packet(this.#addresses[from] as Address, packet.bytes);
      this.delivering = null;
    });
  }

  /** The kernel of a machine without the process answers for it. */
  #refuse(from: number, to: number): void {
    if (!this.links.passes(to, from)) return;
    this.clock.after(toTicks_ms(this.links.delay_ms(to, from)), () => {
      const port = this.#ports[from];
      if (!port || !this.links.passes(to, from)) return;
      (this.hosts[from] as Host).receive(() => {
        if (this.#ports[from] === port) port.handlers.refused(addressOf(to));
      });
    });
  }

  #record(packet: Packet): void {
    this.#recent[this.#recentAt] = packet;
    this.#recentAt = (this.#recentAt + 1) % recentLimit;
  }
}

function copyOf(packet: Packet): Packet {
  return { ...packet, bytes: packet.bytes.slice(), original: packet.original ?? packet };
}

function alteredCopy(packet: Packet, prng: Prng): Packet {
  const copy = { ...copyOf(packet), altered: true };
  const at = prng.below(copy.bytes.length);
  copy.bytes[at] = (copy.bytes[at] as number) ^ (1 + prng.below(255));
  return copy;
}

/** Each node has a machine of its own. */
export function addressOf(node: number): Address {
  return { host: `10.0.${(node + 1) >> 8}.${(node + 1) & 0xff}`, port: gossipPort };
}

/** NaN of an address that no machine of the simulation has. */
export function nodeAt(host: string): number {
  const [a, b, high, low] = host.split(".");
  return a === "10" && b === "0" ? Number(high) * 256 + Number(low) - 1 : Number.NaN;
}
