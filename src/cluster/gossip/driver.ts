/**
 * Joins the SWIM core and the agent directory to the world: a clock, sealed datagrams, streams. Driven by
 * completions only, so that it runs the same in its thread and in a simulation. No SWIM rule lives here.
 */
import type { AgentName, NodeId } from "../../base/ids.ts";
import { unreachable } from "../../base/assert.ts";
import { Directory } from "../../ownership/directory.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Address, Datagrams } from "../../ports/datagrams.ts";
import type { SwimEffect, SwimInput } from "../../swim/effects.ts";
import type { SwimMember } from "../../swim/members.ts";
import type { EndedLife } from "../../swim/removal-proof.ts";
import { Swim } from "../../swim/swim.ts";
import { type TimingOverrides, type TimingProfile, timingOf } from "../../swim/timing.ts";
import type { ByteMemo } from "../../wire/byte-memo.ts";
import type { AgentClaim } from "../../wire/gossip-directory.ts";
import type { GossipRecord } from "../../wire/gossip-records.ts";
import { isDirectoryRecord, isNewsRecord, isTagsRecord, joinRecords } from "../../wire/gossip-records.ts";
import { briefTags, type NodeLoad, type NodeTags } from "../../wire/gossip-tags.ts";
import type { Certifier } from "../../wire/death-certificate.ts";
import type { Sealer } from "../../wire/sealer.ts";
import { GossipJoining } from "./joining.ts";
import { DirectorySync, headsReserve_bytes } from "./directory-sync.ts";
import { GossipPackets, type OpenedPacket, payloadLimit_bytes } from "./packets.ts";
import { GossipReader } from "./reader.ts";
import type { ContactOutcome, GossipReport, GossipStreams } from "./reports.ts";
import { GossipRefusals } from "./refusals.ts";
import { GossipStatistics } from "./statistics.ts";
import { type TagsSync, tagsSyncOf } from "./tags-sync.ts";
import { GossipHousekeeping } from "./housekeeping.ts";
import { Heartbeat } from "./heartbeat.ts";
import { bootCeiling } from "../boot-ceiling.ts";
import { aliveOthers, memberAt, MemberViews } from "./views.ts";
import { WakeTimer } from "./wake-timer.ts";
import type { GossipStats, Member } from "../membership.ts";

export interface GossipDriverOptions {
  readonly self: NodeId;
  readonly boot: number;
  readonly cluster: string;
  /** Null of a fresh joiner: it takes the UUID of whoever welcomes it, and speaks no UDP before. */
  readonly uuid: string | null;
  /** Where the others reach this node, by UDP and by streams. */
  readonly address: Address;
  readonly tags: NodeTags;
  readonly profile: TimingProfile;
  /** Set by hand; wins over the profile. */
  readonly timing?: TimingOverrides;
  /** SWIM without Lifeguard: for experiments alone. */
  readonly plain?: boolean;
  readonly seed: number;
  readonly clock: Clock;
  readonly sealerFor: (uuid: string) => Sealer;
  /** Checks death certificates; without it none is believed. */
  readonly certifierFor?: (uuid: string) => Certifier;
  readonly streams: GossipStreams;
  readonly report: (report: GossipReport) => void;
  /** Signs of life so far of the thread that does the node's work, instead of `beat`. */
  readonly beats?: () => number;
  /** Of records that were read before; drivers of one process may share one. */
  readonly memo?: ByteMemo<GossipRecord>;
}

/** Last-seen times and the automatic profile are looked at this often, and later by this much to spare a wake-up. */
const second_ms = 1_000;
const secondSlack_ms = 400;

export class GossipDriver {
  readonly #options: GossipDriverOptions;
  readonly #swim: Swim;
  readonly directory = new Directory();
  readonly #sync: DirectorySync;
  readonly #statistics = new GossipStatistics();
  readonly #reader: GossipReader;
  readonly #refusals: GossipRefusals;
  readonly #tags: TagsSync;
  readonly #heartbeat: Heartbeat;
  readonly #packets: GossipPackets;
  readonly #views: MemberViews;
  readonly #joining: GossipJoining;
  readonly #housekeeping: GossipHousekeeping;
  readonly #timer: WakeTimer;
  #secondAt: number;
  #beats = 0;
  #closed = false;

  constructor(options: GossipDriverOptions) {
    this.#options = options;
    this.#reader = new GossipReader(this.#statistics, options.memo);
    const { self, boot, address, tags, seed, clock, streams, plain } = options;
    const now = clock.now_ms();
    const timing = timingOf(options.profile, options.timing);
    const limits = { payloadLimit_bytes, reserved_bytes: headsReserve_bytes(self) };
    const core = { self, boot, address, tags: briefTags(tags), timing, seed, plain, ...limits };
    this.#swim = new Swim(core, now);
    this.#swim.setBootCeiling(bootCeiling(clock));
    this.#secondAt = now + second_ms;
    this.#timer = new WakeTimer(clock, () => this.#tick());
    this.#sync = new DirectorySync(
      {
        self,
        boot,
        directory: this.directory,
        bootOf: (node) => this.#swim.member(node)?.incarnation.boot,
        aliveOthers: () => aliveOthers(this.#swim, self),
        send: (to, records) => streams.send(to, joinRecords(records)),
        spread: (key, bytes) => this.#step({ kind: "rumor", key, priority: "directory", bytes }),
        refuse: (reason) => this.#statistics.dropped(reason),
        convergence: this.#statistics.convergence,
      },
      now,
    );
    this.#refusals = new GossipRefusals(options.report, () => this.#now());
    this.#tags = tagsSyncOf(options, this.#swim, {
      spread: (key, bytes) => this.#step({ kind: "rumor", key, priority: "load", bytes }),
      refuse: (reason) => this.#statistics.dropped(reason),
      changed: (member) => this.#updated(member),
    });
    this.#joining = this.#makeJoining();
    this.#heartbeat = new Heartbeat(options.beats ?? (() => this.#beats), () => this.#step({ kind: "lag" }));
    this.#views = new MemberViews(self, clock, this.#tags);
    this.#housekeeping = new GossipHousekeeping(options, this.#swim, this.#statistics, this.#views);
    this.#packets = new GossipPackets(self, this.#statistics, {
      listening: () => !this.#closed && !this.#muted(),
      opened: (packet) => this.#packet(packet),
      dropped: (from, reason) => this.#refusals.dropped(from, reason),
      refused: (address) => this.#hintAt(address),
      certified: (certificate) => {
        if (this.#reader.isSigned(certificate)) this.#step({ kind: "certificate", certificate });
      },
    });
    this.#tags.announce(tags);
  }

  /** Binds the socket, and enters the cluster when its UUID is known. Throws as `Datagrams.bind` does. */
  async open(datagrams: Datagrams, local: Address): Promise<Address> {
    const bound = await this.#packets.bind(datagrams, local);
    if (this.uuid !== null) this.#enter(this.uuid);
    else this.#step({ kind: "tick" });
    return bound;
  }

  get uuid(): string | null {
    return this.#joining.uuid;
  }

  members(): Member[] {
    return [...this.#swim.members].map((member) => this.#views.of(member));
  }

  /** A frame of the gossip class, from the node that the stream's certificate names. */
  frame(from: NodeId, bytes: Uint8Array): void {
    if (this.#muted()) return;
    const records = this.#reader.read(bytes);
    if (records) this.#hearFrame(from, records);
  }

  /** Answers a first contact. */
  answerHello(hello: Uint8Array, from: NodeId, remote: Address): Uint8Array {
    return this.#joining.answer(hello, from, remote);
  }

  /** What came of `streams.contact`. `address` as it was tried, for the report. */
  contacted(contact: number, address: Address, outcome: ContactOutcome): void {
    if (!this.#closed) this.#joining.contacted(contact, address, outcome);
  }

  /** Whether the adopted UUID is on disk; if it cannot be kept, this node stays outside and asks again. */
  kept(onDisk = true): void {
    if (!this.#closed) this.#joining.kept(onDisk);
  }

  announce(
    changed: readonly (AgentClaim & { readonly agent: AgentName })[],
    removed: readonly AgentName[],
  ): void {
    this.#sync.announce(changed, removed, this.#now());
    this.#reportDirectory();
    this.#arm();
  }

  setTags(tags: NodeTags): void {
    this.#step({ kind: "tags", tags: this.#tags.announce(tags) });
  }

  setLoad(load: NodeLoad): void {
    this.#step({ kind: "load", load });
  }

  join(seeds: readonly Address[]): void {
    this.#step({ kind: "join", seeds });
  }

  remove(node: NodeId, boot: number): void {
    this.#step({ kind: "remove", node, boot });
  }

  /** What this node's log says that operators removed. */
  removals(lives: readonly EndedLife[]): void {
    this.#step({ kind: "removals", lives });
  }

  ping(ping: number, node: NodeId, timeout_ms: number): void {
    this.#step({ kind: "ping", ping, node, timeout_ms });
  }

  /**
   * Other gossip keys from now on: the first seals, all open. `certifierFor` must go by them already, and
   * `sealerFor`, which is asked again only when this node is not in a cluster yet.
   */
  setKeys(keys: readonly Uint8Array[]): void {
    this.#packets.setKeys(keys);
    if (this.uuid !== null) this.#reader.certifyWith(this.#options.certifierFor?.(this.uuid) ?? null);
  }

  /** A sign that the process of a node is gone: only makes the core look at once. */
  hint(node: NodeId, boot: number | null): void {
    if (!this.#muted()) this.#step({ kind: "hint", node, boot });
  }

  /** `left-told` is reported when the others were told often enough. */
  leave(): void {
    this.#step({ kind: "leave" });
  }

  /** The sign of life of the thread that does the node's work; from the first on they must keep coming. */
  beat(): void {
    this.#beats++;
  }

  stats(): GossipStats {
    return this.#statistics.snapshot(this.#swim.localHealth, this.#swim.refused);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    await this.#packets.close();
  }

  #makeJoining(): GossipJoining {
    const { self, boot, cluster, address, clock, report, uuid } = this.#options;
    const member = (id: NodeId): SwimMember | undefined => this.#swim.member(id);
    const buriedBoot = (id: NodeId): number | undefined => this.#swim.buriedBoot(id);
    return new GossipJoining(uuid, {
      boot,
      admission: () => ({ self, address, cluster, bootCeiling: bootCeiling(clock), member, buriedBoot }),
      introduction: () => this.#swim.ownRecord(),
      tables: () => [...this.#swim.table(), ...this.#sync.allHeads(), ...this.#tags.digests()],
      hear: (from, records) => this.#hearFrame(from, records),
      contacted: (contact, by) => this.#step({ kind: "contacted", contact, by }),
      adopted: (known) => report({ kind: "adopted", uuid: known }),
      enter: (known) => this.#enter(known),
      entered: () => this.#packets.hearEarly(),
      refused: (source, reason, elsewhere) => this.#refusals.refused(source, reason, elsewhere),
    });
  }

  #enter(uuid: string): void {
    this.#packets.sealWith(this.#options.sealerFor(uuid));
    this.#reader.certifyWith(this.#options.certifierFor?.(uuid) ?? null);
    this.#step({ kind: "enter" });
  }

  #packet({ from, boot, address, payload }: OpenedPacket): void {
    const records = this.#reader.read(payload);
    if (!records) return;
    this.#step({ kind: "packet", from, boot, address, records });
    this.#hearDirectory(from, records, false);
  }

  #hearFrame(from: NodeId, records: readonly GossipRecord[]): void {
    this.#step({ kind: "frame", from, records });
    this.#hearDirectory(from, records, true);
  }

  #hearDirectory(from: NodeId, records: readonly GossipRecord[], byStream: boolean): void {
    const now = this.#now();
    for (const record of records) {
      if (isNewsRecord(record)) continue;
      if (isDirectoryRecord(record)) this.#sync.hear(from, record, now);
      else if (isTagsRecord(record)) this.#tags.hear(from, record, now, byStream);
    }
    this.#reportDirectory();
    this.#arm();
  }

  #updated(member: SwimMember): void {
    const reason = "said something new of itself";
    this.#options.report({ kind: "member", event: "updated", member: this.#views.of(member), reason });
  }

  #tick(): void {
    if (this.#closed) return;
    const now = this.#now();
    this.#heartbeat.run(now);
    if (this.#heartbeat.missing) return this.#arm();
    this.#step({ kind: "tick" });
    this.#sync.run(now);
    this.#tags.run(now);
    this.#reportDirectory();
    if (this.#secondAt <= now) {
      this.#secondAt = now + second_ms;
      this.#housekeeping.run();
    }
    this.#arm();
  }

  #hintAt(address: Address): void {
    const member = memberAt(this.#swim, address);
    if (member) this.hint(member.id, member.incarnation.boot);
  }

  #step(input: SwimInput): void {
    if (this.#closed) return;
    for (const effect of this.#swim.step(input, this.#now())) this.#perform(effect);
    this.#arm();
  }

  #perform(effect: SwimEffect): void {
    const { report, streams } = this.#options;
    switch (effect.kind) {
      case "send":
        this.#packets.send(
          effect.address,
          joinRecords([...effect.records, ...this.#sync.heads(effect.node)]),
        );
        return;
      case "stream":
        streams.send(effect.node, joinRecords(effect.records));
        return;
      case "exchange":
        for (const heads of [...this.#sync.allHeads(), ...this.#tags.digests()])
          streams.send(effect.node, joinRecords(heads));
        return;
      case "contact":
        streams.contact(effect.contact, effect.address, this.#joining.hello(), effect.timeout_ms);
        return;
      case "member":
        this.directory.setAbsent(effect.member.id, effect.member.status === "left");
        this.#sync.member(effect.member);
        report({ ...effect, member: this.#views.of(effect.member) });
        this.#reportDirectory();
        return;
      case "forgotten":
        this.directory.forget(effect.member.id);
        this.#sync.forget(effect.member.id);
        this.#tags.forget(effect.member.id);
        report({ kind: "forgotten", member: this.#views.of(effect.member), reason: effect.reason });
        this.#reportDirectory();
        return;
      case "load":
        report({ kind: "load", node: effect.member.id, load: effect.member.load });
        return;
      case "round-trip":
        this.#statistics.roundTrips.add(effect.roundTrip_ms);
        return;
      case "pinged":
        report({ kind: "pinged", ping: effect.ping, roundTrip_ms: effect.roundTrip_ms });
        return;
      case "conflict":
        this.#refusals.conflict(effect.node, effect.source, effect.reason);
        return;
      case "removed":
      case "left-told":
        report(effect);
        return;
      default:
        unreachable(effect);
    }
  }

  #reportDirectory(): void {
    const difference = this.directory.takeDifference();
    if (difference) this.#options.report({ kind: "directory", difference });
  }

  #muted(): boolean {
    if (this.#heartbeat.missing) this.#statistics.dropped("wedged");
    return this.#heartbeat.missing;
  }

  #now(): number {
    return this.#options.clock.now_ms();
  }

  #arm(): void {
    if (this.#closed) return;
    if (this.#heartbeat.missing) return this.#timer.set(this.#heartbeat.due());
    const due = Math.min(
      this.#heartbeat.due(),
      this.#swim.wake,
      this.#sync.due(),
      this.#tags.due(),
      this.#secondAt + secondSlack_ms,
    );
    this.#timer.set(due);
  }
}
