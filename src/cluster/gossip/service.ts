/** The gossip driver behind a channel: what runs in the thread, apart from how the thread is made. */
import { unreachable } from "../../base/assert.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Datagrams } from "../../ports/datagrams.ts";
import type { Certifier } from "../../wire/death-certificate.ts";
import type { NodeId } from "../../base/ids.ts";
import { type Deflate, packFrame, unpackFrame } from "../../wire/packed-frame.ts";
import { packedFramesSince } from "../../wire/protocol-version.ts";
import type { Sealer } from "../../wire/sealer.ts";
import { GossipDriver } from "./driver.ts";
import { beatsIn } from "./heartbeat.ts";
import type { GossipReport } from "./reports.ts";
import type { CutOrder } from "../network-cut.ts";
import type { FromGossip, GossipIdentity, ToGossip } from "./thread-protocol.ts";

export interface GossipServiceOptions {
  readonly clock: Clock;
  readonly datagrams: Datagrams;
  readonly sealerFor: (identity: GossipIdentity, uuid: string) => Sealer;
  readonly certifierFor?: (identity: GossipIdentity, uuid: string) => Certifier;
  /** For the frames of streams. */
  readonly deflate: Deflate;
  /** Cuts the datagrams; nothing happens without it. */
  readonly cut?: (order: CutOrder) => void;
  readonly post: (message: FromGossip) => void;
  /** The socket could not be bound: the service does nothing more. */
  readonly failed: (error: unknown) => void;
  readonly ended: () => void;
  /** For a thread that has nothing to do but wait for others; `interrupted` once one of them came. */
  readonly rehearse?: (interrupted: () => boolean) => void;
}

export interface GossipService {
  receive(message: ToGossip): void;
  end(): void;
}

/** Entries of one directory report; larger ones are split, so that main never stalls on one. */
const reportEntries = 500;
const nothing = new Uint8Array(0);
/** Of one without seeds, which is to join later or is joined by others: the rest of the node has started by then. */
const idleAfter_ms = 1_000;
/** Somebody else is there, or is to be found, or this node goes. */
const busying: ReadonlySet<ToGossip["kind"]> = new Set(["join", "contacted", "hello", "frame", "leave"]);

export function startGossip(options: GossipServiceOptions): GossipService {
  return new Service(options);
}

class Service implements GossipService {
  #driver: GossipDriver | null = null;
  #sealer: Sealer | null = null;
  #keys: readonly Uint8Array[] = [];
  #ended = false;
  #idle: Timer | null = null;
  /** Something of the cluster was heard or wanted. */
  #busy = false;

  constructor(private readonly options: GossipServiceOptions) {}

  receive(message: ToGossip): void {
    this.#busy ||= busying.has(message.kind);
    if (message.kind === "open") void this.#open(message);
    else if (message.kind === "stop") this.end();
    else if (this.#driver) this.#tell(this.#driver, message);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#idle?.cancel();
    const closed = this.#driver?.close() ?? Promise.resolve();
    void closed.finally(() => {
      this.options.post({ kind: "stopped" });
      this.options.ended();
    });
  }

  async #open({ identity, seeds, seed, beats }: Extract<ToGossip, { kind: "open" }>): Promise<void> {
    this.#keys = identity.keys;
    const present = (): GossipIdentity => ({ ...identity, keys: this.#keys });
    const { clock, datagrams, sealerFor, certifierFor, post, failed } = this.options;
    const { self, boot, cluster, uuid, bind, advertise: address, tags, profile, timing } = identity;
    const driver = new GossipDriver({
      self,
      boot,
      cluster,
      uuid,
      address,
      tags,
      profile,
      timing,
      seed,
      clock,
      sealerFor: (known) => (this.#sealer = sealerFor(present(), known)),
      ...(certifierFor === undefined
        ? {}
        : { certifierFor: (known: string) => certifierFor(present(), known) }),
      streams: {
        send: (to, bytes) => {
          post({ kind: "frame", to, bytes: this.#packed(to, bytes) });
          return true;
        },
        keep: (nodes) => post({ kind: "neighbours", nodes }),
        contact: (contact, to, hello, timeout_ms) =>
          post({ kind: "contact", contact, address: to, hello, timeout_ms }),
      },
      report: (report) => this.#report(report),
      beats: () => beatsIn(beats),
    });
    this.#driver = driver;
    try {
      const local = await driver.open(datagrams, bind);
      post({ kind: "opened", local, members: driver.members() });
      driver.join(seeds);
      if (seeds.length === 0) this.#idle = clock.after(idleAfter_ms, () => this.#rehearse());
    } catch (error) {
      failed(error);
      this.end();
    }
  }

  /** Only for who is known to read it: an older node would skip it. */
  #packed(to: NodeId, frame: Uint8Array): Uint8Array {
    const version = this.#sealer?.versionWith?.(to) ?? 0;
    return version < packedFramesSince ? frame : packFrame(frame, this.options.deflate);
  }

  #rehearse(): void {
    if (this.#busy || this.#ended) return;
    this.options.post({ kind: "idle" });
    this.options.rehearse?.(() => this.#busy || this.#ended);
  }

  #tell(driver: GossipDriver, message: Exclude<ToGossip, { kind: "open" | "stop" }>): void {
    const { post } = this.options;
    switch (message.kind) {
      case "frame":
        // What cannot be unpacked is as little a frame as no bytes at all, and counted so.
        return driver.frame(message.from, unpackFrame(message.bytes, this.options.deflate) ?? nothing);
      case "hello": {
        const reply = driver.answerHello(message.hello, message.from, message.remote);
        return post({ kind: "answer", request: message.request, reply });
      }
      case "contacted":
        return driver.contacted(message.contact, message.address, message.outcome);
      case "kept":
        return driver.kept(message.onDisk);
      case "announce":
        return driver.announce(message.changed, message.removed);
      case "tags":
        return driver.setTags(message.tags);
      case "load":
        return driver.setLoad(message.load);
      case "join":
        return driver.join(message.seeds);
      case "remove":
        return driver.remove(message.node, message.boot);
      case "removals":
        return driver.removals(message.lives);
      case "ping":
        return driver.ping(message.ping, message.node, message.timeout_ms);
      case "keys":
        this.#keys = message.keys;
        return driver.setKeys(message.keys);
      case "hint":
        return driver.hint(message.node, message.boot);
      case "cut":
        return this.options.cut?.(message.order);
      case "leave":
        return driver.leave();
      case "stats":
        return post({ kind: "stats", request: message.request, stats: driver.stats() });
      default:
        return unreachable(message);
    }
  }

  #report(report: GossipReport): void {
    const { post } = this.options;
    if (report.kind !== "directory") {
      post({ kind: "report", report });
      return;
    }
    const { changed, removed } = report.difference;
    for (let at = 0; at < Math.max(changed.length, removed.length); at += reportEntries) {
      const end = at + reportEntries;
      const difference = { changed: changed.slice(at, end), removed: removed.slice(at, end) };
      post({ kind: "report", report: { kind: "directory", difference } });
    }
  }
}
