/**
 * One node of the simulation: what its disk keeps, and the life of its process around the real gossip
 * driver. It starts, crashes, leaves and hosts agents when it is told to.
 */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import { present } from "../base/assert.ts";
import { beat_ms } from "../cluster/gossip/heartbeat.ts";
import { bootCeiling } from "../cluster/boot-ceiling.ts";
import { GossipDriver } from "../cluster/gossip/driver.ts";
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { lastWordMembers } from "../node/process/last-word.ts";
import { seededEntropy } from "../platform/memory/entropy.ts";
import type { Timer } from "../ports/clock.ts";
import { createCertifier } from "../security/death-certifier.ts";
import { createGossipSealer } from "../security/gossip-sealer.ts";
import { neighboursOf } from "../swim/neighbours.ts";
import type { TimingProfile } from "../swim/timing.ts";
import type { ByteMemo } from "../wire/byte-memo.ts";
import { type Certifier, encodeCertificatePacket } from "../wire/death-certificate.ts";
import type { AgentClaim } from "../wire/gossip-directory.ts";
import type { GossipRecord } from "../wire/gossip-records.ts";
import type { Opened, Sealer } from "../wire/sealer.ts";
import { seedOf } from "./generator.ts";
import { Disk } from "./disk.ts";
import type { Host } from "./host.ts";
import { type MessageHappening, SimulatedMessaging } from "./messaging.ts";
import { addressOf, nodeAt, type Packet, type SimulatedNetwork } from "./network.ts";
import { nodeIndex, nodeName } from "./node-set.ts";
import type { Happening } from "./observer.ts";
import { SimulatedStreams, type StreamKind, type StreamWorld } from "./streams.ts";

const clusterName = "simulated";
const clusterUuid = "0192f0c0-0000-7000-8000-000000000001";
const clusterKey = new Uint8Array(32).fill(7);
const module = "ab".repeat(32) as ModuleHash;
/** Between entering and announcing what runs here. */
const bringBack_ms = 3;
/** A launcher starts a process again after this, whose boot epoch could not be kept. */
const startAgain_ms = 1_000;
/** A leaving process ends then, whether or not it has told enough. */
const leaveDeadline_ms = 10_000;

export function certifierOf(clusterUuid: string): Certifier {
  return createCertifier({ clusterName, clusterUuid, keys: [clusterKey] });
}

export interface NodeWorld {
  readonly seed: number;
  readonly profile: TimingProfile;
  readonly plain: boolean;
  readonly network: SimulatedNetwork;
  readonly streams: StreamWorld;
  readonly memo: ByteMemo<GossipRecord>;
  /** Whose addresses a node is given to join by; the first founded the cluster. */
  readonly seeds: readonly number[];
  readonly region: (node: number) => string;
  /** Main's signs of life are sent only where a scenario stops them. */
  readonly beating: boolean;
  readonly begins: (node: number, boot: number) => void;
  readonly report: (node: number, report: GossipReport) => void;
  readonly believed: (node: number, packet: Packet, payload: Uint8Array) => void;
  readonly happened: (node: number, what: Happening) => void;
  readonly announced: (node: number) => void;
  /** Messages a second, 0 for none; and what becomes of them. */
  readonly messages: number;
  readonly message: (happening: MessageHappening) => void;
  readonly busy: () => void;
  /** Nothing else happens before this work is done. */
  readonly settle: (work: Promise<void>) => void;
}

interface Life {
  readonly number: number;
  readonly driver: GossipDriver;
  readonly streams: SimulatedStreams;
  readonly messaging: SimulatedMessaging | null;
  sealer: Sealer | null;
  beats: Timer | null;
  /** Whose streams it keeps open to hear of their end. */
  kept: ReadonlySet<NodeId>;
  leaving: boolean;
}

export class SimulatedNode {
  readonly id: NodeId;
  /** Without power nothing answers at its address. */
  powered = true;
  wedged = false;
  readonly disk: Disk;
  /** What became of a message could not be written down in this life. */
  unrecorded = false;
  readonly #agents = new Map<AgentName, AgentClaim>();
  /** What its data directory keeps. */
  #boot = 0;
  #uuid: string | null;
  #lives = 0;
  #named = 0;
  #life: Life | null = null;

  constructor(
    readonly index: number,
    readonly host: Host,
    private readonly world: NodeWorld,
  ) {
    this.id = nodeName(index) as NodeId;
    this.disk = new Disk(host);
    this.#uuid = world.seeds[0] === index ? clusterUuid : null;
  }

  get life(): number | undefined {
    return this.#life?.number;
  }

  get driver(): GossipDriver | undefined {
    return this.#life?.driver;
  }

  get agents(): ReadonlyMap<AgentName, AgentClaim> {
    return this.#agents;
  }

  get streamed_bytes(): number {
    return this.#life?.streams.sent_bytes ?? 0;
  }

  /** A process with a higher boot epoch than all before it. */
  async start(): Promise<void> {
    if (this.#life) return;
    const { world, index } = this;
    this.powered = true;
    // Its boot epoch is kept before anything else: without it no process starts.
    if (this.disk.state !== "well") {
      this.host.after(startAgain_ms, () => world.settle(this.start()));
      return;
    }
    this.disk.forget();
    this.unrecorded = false;
    this.#boot = Math.max(this.#boot + 1, this.host.wall_ms());
    const number = ++this.#lives;
    const driver = this.#makeDriver(number);
    const streams = new SimulatedStreams(world.streams, index, number);
    const messaging = world.messages > 0 ? this.#makeMessaging(streams) : null;
    const rest = { sealer: null, beats: null, kept: new Set<NodeId>(), leaving: false };
    this.#life = { number, driver, streams, messaging, ...rest };
    world.begins(index, this.#boot);
    world.happened(index, "started");
    driver.join(world.seeds.filter((seed) => seed !== index).map(addressOf));
    if (this.#uuid !== null) this.#entered();
    await driver.open(world.network.socketsOf(index, number), addressOf(index));
    if (world.beating) this.#beat(number);
  }

  /** As kill -9. */
  async crash(): Promise<void> {
    await this.#end("crashed");
  }

  /** In order: tells the others, then ends. */
  leave(): void {
    const life = this.#life;
    if (!life || life.leaving) return;
    life.leaving = true;
    this.world.happened(this.index, "leaving");
    this.host.after(leaveDeadline_ms, () => {
      if (this.#life === life) this.world.settle(this.#end("left"));
    });
    life.driver.leave();
  }

  deploy(count: number): void {
    const claim: AgentClaim = { epoch: 1, revision: 1, status: "running", module };
    const changed = Array.from({ length: count }, () => {
      const agent = `${this.id}-a${++this.#named}` as AgentName;
      this.#agents.set(agent, claim);
      return { agent, ...claim };
    });
    this.#life?.driver.announce(changed, []);
    this.world.announced(this.index);
  }

  retire(count: number): void {
    const removed = [...this.#agents.keys()].slice(0, count);
    for (const agent of removed) this.#agents.delete(agent);
    this.#life?.driver.announce([], removed);
    this.world.announced(this.index);
  }

  /** Sends what an insider could: any payload, well sealed. */
  forge(to: number, payload: Uint8Array): void {
    const life = this.#life;
    if (!life?.sealer) return;
    this.world.network.forge(this.index, to, life.sealer.seal(payload));
  }

  /** A certificate of its present life, and to whom its launcher would send it: as in `node/network.ts`. */
  lastWord(): { readonly packet: Uint8Array; readonly to: readonly number[] } | null {
    const driver = this.driver;
    if (!driver || driver.uuid === null) return null;
    const alive = driver.members().flatMap(({ id, status }) => (status === "alive" ? [id] : []));
    const certificate = certifierOf(driver.uuid).sign(this.id, this.#boot);
    const to = neighboursOf(this.id, alive, lastWordMembers).map(nodeIndex);
    return { packet: encodeCertificatePacket(certificate), to };
  }

  /** A kept stream to that node ended without a goodbye: so its kernel or a flapping link said. */
  streamEnded(peer: SimulatedNode, boot: number): void {
    const life = this.#life;
    if (!life?.kept.has(peer.id)) return;
    this.host.receiveStream(() => {
      if (this.#life === life) life.driver.hint(peer.id, boot);
    });
  }

  /** Nothing was heard of it for too long: this side closes, which is no hint. */
  giveUp(peer: SimulatedNode): void {
    this.#life?.streams.broken(peer.index);
  }

  /** The streams with that life of a node were closed while this process did not run: it cannot know why. */
  foundClosed(peer: SimulatedNode, boot: number): void {
    const life = this.#life;
    if (!life) return;
    const isKept = life.kept.has(peer.id) || peer.keeps(this.id);
    this.host.receiveStream(() => {
      if (this.#life !== life) return;
      life.streams.broken(peer.index);
      if (isKept) life.driver.hint(peer.id, boot);
    });
  }

  keeps(peer: NodeId): boolean {
    return this.#life?.kept.has(peer) ?? false;
  }

  get boot(): number {
    return this.#boot;
  }

  frame(from: number, kind: StreamKind, bytes: Uint8Array): void {
    if (kind === "gossip") this.#life?.driver.frame(nodeName(from) as NodeId, bytes);
    else this.#life?.messaging?.frame(nodeName(from) as NodeId, bytes);
  }

  linkDown(to: number, kind: StreamKind): void {
    if (kind === "message") this.#life?.messaging?.linkDown(nodeName(to) as NodeId);
  }

  /** Null where nothing is sent now. */
  get messaging(): SimulatedMessaging | null {
    return this.#life?.driver.uuid === null ? null : (this.#life?.messaging ?? null);
  }

  answerHello(hello: Uint8Array, from: number): Uint8Array {
    const life = present(this.#life, "the process that answers");
    return life.driver.answerHello(hello, nodeName(from) as NodeId, addressOf(from));
  }

  #makeDriver(number: number): GossipDriver {
    const { world, index } = this;
    return new GossipDriver({
      self: this.id,
      boot: this.#boot,
      cluster: clusterName,
      uuid: this.#uuid,
      address: addressOf(index),
      tags: {
        version: "0.1.0",
        region: world.region(index),
        zone: "a",
        api: "",
        maxAgents: 1_000,
        weight: 1,
        services: ["api"],
      },
      profile: world.profile,
      plain: world.plain,
      seed: seedOf(world.seed, `core of ${index} ${number}`),
      clock: this.host,
      memo: world.memo,
      sealerFor: (uuid) => this.#sealer(uuid, number),
      certifierFor: certifierOf,
      streams: {
        send: (to, bytes) => this.#life?.streams.send(nodeIndex(to), "gossip", bytes) ?? false,
        keep: (nodes) => {
          if (this.#life?.number === number) this.#life.kept = new Set(nodes);
        },
        contact: (contact, address, hello, timeout_ms) =>
          this.#life?.streams.contact(nodeAt(address.host), hello, timeout_ms, (outcome, by) => {
            const named = outcome.kind === "answered" ? { ...outcome, by: nodeName(by) as NodeId } : outcome;
            this.host.receiveStream(() => {
              if (this.#life?.number === number) this.#life.driver.contacted(contact, address, named);
            });
          }),
      },
      report: (report) => this.#report(report, number),
    });
  }

  #makeMessaging(streams: SimulatedStreams): SimulatedMessaging {
    const { world, index, host, disk, id: self } = this;
    return new SimulatedMessaging({
      seed: world.seed,
      index,
      self,
      boot: this.#boot,
      host,
      disk,
      hosts: (agent) => this.#agents.has(agent),
      send: (to, bytes) => streams.send(nodeIndex(to), "message", bytes),
      told: (happening) => {
        if (happening.kind === "unrecorded") this.unrecorded = true;
        world.message(happening);
      },
      busy: world.busy,
    });
  }

  /** The real sealer, watched: which packets did it take for good? */
  #sealer(uuid: string, number: number): Sealer {
    const { world, index } = this;
    const sealer = createGossipSealer({
      node: this.id,
      bootEpoch: this.#boot,
      clusterName,
      clusterUuid: uuid,
      keys: [clusterKey],
      entropy: seededEntropy(seedOf(world.seed, `seal of ${index} ${number}`)),
      bootCeiling: () => bootCeiling(this.host),
    });
    const watched: Sealer = {
      payloadLimit_bytes: sealer.payloadLimit_bytes,
      seal: (payload) => sealer.seal(payload),
      open: (datagram): Opened => {
        const opened = sealer.open(datagram);
        if (opened.kind === "opened" && world.network.delivering)
          world.believed(index, world.network.delivering, opened.payload);
        return opened;
      },
    };
    if (this.#life) this.#life.sealer = watched;
    return watched;
  }

  #report(report: GossipReport, number: number): void {
    const life = this.#life;
    if (life?.number !== number) return;
    this.world.report(this.index, report);
    life.messaging?.reported(report);
    if (report.kind === "adopted") {
      const { uuid } = report;
      this.disk.write((error) => {
        if (this.#life !== life) return;
        if (!error) {
          this.#uuid = uuid;
          this.#entered();
        }
        life.driver.kept(!error);
      });
    } else if (report.kind === "removed" || (report.kind === "left-told" && life.leaving)) {
      this.host.after(0, () => {
        const how = report.kind === "removed" ? "expelled" : "left";
        if (this.#life === life) this.world.settle(this.#end(how));
      });
    }
  }

  /** A member from now on; its agents are told to the others. */
  #entered(): void {
    this.world.happened(this.index, "joined");
    const life = this.#life;
    // What was promised goes again, also where no agent is left.
    if (this.#agents.size === 0 && !life?.messaging) return;
    const changed = [...this.#agents].map(([agent, claim]) => ({ agent, ...claim }));
    this.host.after(bringBack_ms, () => {
      if (this.#life !== life) return;
      if (changed.length > 0) life?.driver.announce(changed, []);
      life?.messaging?.begin();
    });
  }

  async #end(what: "crashed" | "left" | "expelled"): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.#life = null;
    life.beats?.cancel();
    life.messaging?.close();
    this.host.clear();
    this.world.happened(this.index, what);
    await life.driver.close();
  }

  #beat(number: number): void {
    const life = this.#life;
    if (life?.number !== number) return;
    if (!this.wedged) life.driver.beat();
    life.beats = this.host.after(beat_ms, () => this.#beat(number));
  }
}
