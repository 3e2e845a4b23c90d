/** Peer networks of several nodes on one simulated network, for tests: every node at a host of its name. */
import { parseNodeId, type NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { openPeerNetwork, type PeerNetwork } from "../../src/cluster/peers/network.ts";
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../src/platform/memory/entropy.ts";
import { MemoryNetwork } from "../../src/platform/memory/network.ts";
import { memoryIdentity, MemoryStreams } from "../../src/platform/memory/streams.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Address } from "../../src/ports/datagrams.ts";

export interface PeerWorldNode {
  readonly id: NodeId;
  readonly address: Address;
  readonly network: PeerNetwork;
  readonly links: string[];
  readonly refused: string[];
  readonly closed: string[];
}

export class PeerWorld {
  readonly clock = new VirtualClock();
  readonly network: MemoryNetwork;
  readonly streams: MemoryStreams;

  constructor(seed = 1) {
    this.network = new MemoryNetwork(this.clock, new Prng(seed));
    this.streams = new MemoryStreams(this.network);
  }

  async node(
    name: string,
    options: {
      readonly bootEpoch?: number;
      readonly key?: string;
      readonly host?: string;
      /** Of its own, where its process is to stand still. */
      readonly clock?: Clock;
    } = {},
  ): Promise<PeerWorldNode> {
    const id = parseNodeId(name);
    const [links, refused, closed]: string[][] = [[], [], []];
    const network = await openPeerNetwork({
      node: id,
      bootEpoch: options.bootEpoch ?? 1,
      local: { host: options.host ?? name, port: 7_946 },
      identity: memoryIdentity(options.key ?? "key", "prod", id),
      streams: this.streams.at(options.host ?? name),
      clock: options.clock ?? this.clock,
      entropy: seededEntropy(name.length),
      refused: (_source, reason) => refused?.push(reason),
      closed: (kind, peer, detail) => closed?.push(`${kind} ${peer}: ${detail}`),
    });
    network.onLink(({ node, kind, state, reason }) => links?.push(`${node} ${kind} ${state}: ${reason}`));
    return {
      id,
      address: network.local,
      network,
      links: links ?? [],
      refused: refused ?? [],
      closed: closed ?? [],
    };
  }

  /** Each of the nodes knows where the others are. */
  introduce(...nodes: readonly PeerWorldNode[]): void {
    for (const a of nodes) for (const b of nodes) if (a !== b) a.network.setAddress(b.id, b.address);
  }

  /** Runs events until the condition holds; fails after `limit_ms` of virtual time. */
  async until(condition: () => boolean, limit_ms = 60_000): Promise<void> {
    if (!(await this.clock.runUntilSettled(condition, limit_ms))) {
      throw new Error(`Not within ${limit_ms} ms: ${condition.toString()}`);
    }
  }

  /** Lets `duration_ms` of virtual time pass. */
  async pass(duration_ms: number): Promise<void> {
    const end_ms = this.clock.now_ms() + duration_ms;
    this.clock.after(duration_ms, () => {});
    await this.clock.runUntilSettled(() => this.clock.now_ms() >= end_ms, duration_ms);
  }

  /** The promise's result, with time passing until it is there. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    void Promise.allSettled([promise]).then(() => (over = true));
    await this.until(() => over);
    return await promise;
  }
}
