/**
 * A hundred members in one process: a gossip driver and peer streams each, on real UDP and TLS. A silent one
 * keeps its sockets and neither hears nor says anything, so that nothing hints at its end.
 */
import { parseNodeId, type NodeId } from "../src/base/ids.ts";
import { CaxtonError, reasonOf } from "../src/base/errors.ts";
import { GossipDriver } from "../src/cluster/gossip/driver.ts";
import type { GossipReport } from "../src/cluster/gossip/reports.ts";
import { openPeerNetwork, type PeerNetwork } from "../src/cluster/peers/network.ts";
import { systemClock } from "../src/platform/node/clock.ts";
import { openDatagrams } from "../src/platform/node/datagrams.ts";
import { systemEntropy } from "../src/platform/node/entropy.ts";
import { openStreams } from "../src/platform/node/streams.ts";
import type { Address, Datagrams } from "../src/ports/datagrams.ts";
import { certificateAuthority, nodeIdentity } from "../src/security/certificates.ts";
import { createCertifier } from "../src/security/death-certifier.ts";
import { createGossipSealer } from "../src/security/gossip-sealer.ts";
import { gossipKeyOf } from "../src/security/keyring.ts";
import { benchCluster, benchKey } from "./gossip-process.ts";
import { benchTags } from "./gossip-tags.ts";

const uuid = "0192f0c0-0000-7000-8000-00000000beac";
const patience_ms = 60_000;
const world = { clock: systemClock, entropy: systemEntropy };

/** One member. */
class Member {
  readonly statuses = new Map<NodeId, string>();
  silent = false;
  #peers: PeerNetwork | null = null;
  #driver: GossipDriver | null = null;

  constructor(readonly id: NodeId) {}

  get local(): Address {
    return this.#peers?.local ?? { host: "127.0.0.1", port: 0 };
  }

  get packetsSent(): number {
    return this.#driver?.stats().packetsSent ?? 0;
  }

  async open(seeds: readonly Address[], boot: number): Promise<void> {
    const identity = nodeIdentity(certificateAuthority(benchKey), this.id, benchCluster, world);
    const local = { host: "127.0.0.1", port: 0 };
    const streams = openStreams();
    const peers = await openPeerNetwork({
      node: this.id,
      bootEpoch: boot,
      local,
      identity,
      streams,
      ...world,
    });
    this.#peers = peers;
    const driver: GossipDriver = new GossipDriver({
      self: this.id,
      boot,
      cluster: benchCluster,
      uuid,
      address: peers.local,
      tags: benchTags,
      profile: "lan",
      seed: new DataView(systemEntropy.bytes(4).buffer).getUint32(0),
      clock: systemClock,
      sealerFor: () =>
        createGossipSealer({
          node: this.id,
          bootEpoch: boot,
          clusterName: benchCluster,
          clusterUuid: uuid,
          keys: [gossipKeyOf(benchKey)],
        }),
      certifierFor: () =>
        createCertifier({ clusterName: benchCluster, clusterUuid: uuid, keys: [gossipKeyOf(benchKey)] }),
      streams: {
        send: (to, frame) => !this.silent && peers.send(to, "gossip", frame),
        keep: (nodes) => peers.keep("gossip", nodes),
        contact: (contact, address, hello, timeout_ms) =>
          void this.#contact(contact, address, hello, timeout_ms),
      },
      report: (report) => this.#hear(report),
    });
    this.#driver = driver;
    peers.onFrame("gossip", ({ from, bytes }) => !this.silent && driver.frame(from, bytes));
    peers.onGone((node, gone) => driver.hint(node, gone));
    peers.onContact((hello, from, remote) => Promise.resolve(driver.answerHello(hello, from, remote)));
    await driver.open(this.#datagrams(), peers.local);
    driver.join(seeds);
  }

  async close(): Promise<void> {
    await this.#driver?.close();
    await this.#peers?.close();
  }

  #datagrams(): Datagrams {
    const real = openDatagrams();
    return {
      bind: async (local, handlers) => {
        const socket = await real.bind(local, {
          packet: (from, bytes) => void (this.silent || handlers.packet(from, bytes)),
          refused: (to) => void (this.silent || handlers.refused(to)),
        });
        return {
          local: socket.local,
          send: (to, bytes) => (this.silent ? "sent" : socket.send(to, bytes)),
          close: () => socket.close(),
        };
      },
    };
  }

  #hear(report: GossipReport): void {
    if (report.kind !== "member") return;
    const { id, status, address } = report.member;
    this.statuses.set(id, status);
    if (id !== this.id) this.#peers?.setAddress(id, status === "left" ? undefined : address);
  }

  async #contact(contact: number, address: Address, hello: Uint8Array, timeout_ms: number): Promise<void> {
    const peers = this.#peers;
    const driver = this.#driver;
    if (this.silent || !peers || !driver) return;
    try {
      const { from, reply } = await peers.contact(address, hello, timeout_ms);
      driver.contacted(contact, address, { kind: "answered", by: from, reply });
    } catch (error) {
      const code = error instanceof CaxtonError ? error.code : "unreachable";
      driver.contacted(contact, address, { kind: "failed", code, reason: reasonOf(error) });
    }
  }
}

export class Hundred {
  readonly members: Member[] = [];

  /** Opens all; they join the first as they come. From the first to all knowing all, ms. */
  async open(count: number): Promise<number> {
    const began_ms = performance.now();
    for (let i = 0; i < count; i++) {
      const member = new Member(parseNodeId(`m${i}`));
      const first = this.members[0];
      this.members.push(member);
      await member.open(first ? [first.local] : [], 1);
    }
    for (const one of this.members) {
      await until(
        () =>
          this.members.every((other) => other === one || one.statuses.get(other.id) === "alive") || undefined,
      );
    }
    return performance.now() - began_ms;
  }

  /** From silence until all others call it failed; then it speaks again, and all see it. */
  async silenced(index: number): Promise<number> {
    const subject = this.members[index];
    if (!subject) throw new Error(`There is no member ${index}`);
    const others = this.members.filter((one) => one !== subject);
    const all = (status: string) => (): true | undefined =>
      others.every((one) => one.statuses.get(subject.id) === status) || undefined;
    const began_ms = performance.now();
    subject.silent = true;
    await until(all("failed"));
    const took_ms = performance.now() - began_ms;
    subject.silent = false;
    await until(all("alive"));
    return took_ms;
  }

  packets(): number {
    return this.members.reduce((sum, { packetsSent }) => sum + packetsSent, 0);
  }

  async close(): Promise<void> {
    for (const member of this.members) await member.close();
  }
}

async function until(probe: () => true | undefined): Promise<void> {
  const end_ms = performance.now() + patience_ms;
  while (performance.now() < end_ms) {
    if (probe()) return;
    await Bun.sleep(5);
  }
  throw new Error(`The members did not agree within ${patience_ms} ms`);
}
