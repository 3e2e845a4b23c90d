/** The consensus driver behind a channel: what runs in the raft thread, apart from how the thread is made. */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { BootClock } from "../../ports/boot-clock.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Databases } from "../../ports/database.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { StreamIdentity, Streams } from "../../ports/streams.ts";
import { identityOf, type RaftId } from "../../raft/configuration.ts";
import { type ConsensusData, openConsensusData, rebuildConsensusData } from "./data.ts";
import { ConsensusDriver } from "./driver.ts";
import type { ConsensusAnswer, ConsensusReport } from "./requests.ts";
import type { CutOrder } from "../network-cut.ts";
import { ConsensusStreams } from "./streams.ts";
import { answerLease, LeaseDriver } from "../leases/driver.ts";
import type { LeaseNews } from "../leases/node-lease.ts";
import { inspectLog } from "./log-inspection.ts";
import type { FromRaft, OpenConsensus, RaftCertificate, ToRaft } from "./thread-protocol.ts";

/** The longest wait before a lost connection is dialled again: an election must not wait for it. */
const redial_ms = 1_000;

/** Whether a full disk has room again is tried this often: one small write, for as long as it takes. */
const diskFull_ms = 1_000;

export interface ConsensusServiceOptions {
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly entropy: Entropy;
  readonly databases: Databases;
  readonly streams: Streams;
  /** Cuts the streams; nothing happens without it. */
  readonly cut?: (order: CutOrder) => void;
  readonly soon: (callback: () => void) => void;
  readonly streamIdentity: (certificate: RaftCertificate, cluster: string) => StreamIdentity;
  readonly setAside: (path: string) => void;
  readonly post: (message: FromRaft) => void;
  readonly ended: () => void;
}

interface Open {
  readonly options: OpenConsensus;
  readonly streams: ConsensusStreams;
  readonly local: Address;
  data: ConsensusData;
  driver: ConsensusDriver;
}

export class ConsensusService {
  #open: Open | null = null;
  /** Of the present driver; none at a witness. */
  #lease: LeaseDriver | undefined;
  readonly #addresses = new Map<NodeId, Address>();
  #answers: ConsensusAnswer[] = [];
  #ended = false;

  constructor(private readonly options: ConsensusServiceOptions) {}

  receive(message: ToRaft): void {
    const open = this.#open;
    switch (message.kind) {
      case "open":
        void this.#begin(message.open).catch((error: unknown) => this.#unopened(error));
        return;
      case "address":
        this.#setAddress(message.node, message.address);
        return;
      case "identity":
        open?.streams.setIdentity(this.options.streamIdentity(message.identity, open.options.cluster));
        return;
      case "hint":
        open?.driver.hint(message.node, message.boot);
        return;
      case "round-trip":
        open?.driver.roundTrip(message.roundTrip_ms);
        return;
      case "ask":
        for (const request of message.requests) {
          if (open && request.kind === "inspect") {
            const inspection = inspectLog(
              open.data.log,
              open.driver.core.status(this.options.clock.now_ms()),
              request.from,
            );
            this.#answer({ kind: "inspected", request: request.request, inspection });
          } else if (open && request.kind !== "inspect") open.driver.ask(request);
          else this.#notOpen(request.request);
        }
        return;
      case "found":
        if (open) this.#again(open, "", { ...open.options, found: true });
        return;
      case "lease":
        answerLease(this.#lease, message.ask, (tell) => this.options.post({ kind: "lease", tell }));
        return;
      case "rebuild":
        if (open) this.#again(open, message.reason, { ...open.options, found: false });
        return;
      case "cut":
        this.options.cut?.(message.order);
        return;
      case "stop":
        this.end();
        return;
      default:
        unreachable(message);
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const open = this.#open;
    this.#open = null;
    open?.driver.close();
    void (open?.streams.close() ?? Promise.resolve()).finally(() => {
      open?.data.close();
      this.options.post({ kind: "stopped" });
      this.options.ended();
    });
  }

  async #begin(options: OpenConsensus): Promise<void> {
    const { clock, entropy, streams, streamIdentity } = this.options;
    const data = openConsensusData(this.#dataOptions(options));
    const network = new ConsensusStreams(
      {
        node: options.self,
        bootEpoch: options.boot,
        local: options.bind,
        identity: streamIdentity(options.identity, options.cluster),
        streams,
        clock,
        entropy,
        timings: { connect_ms: options.connect_ms, keepAlive_ms: options.keepAlive_ms, redial_ms },
        refused: (source, reason) => this.options.post({ kind: "refused", source, reason }),
      },
      {
        frame: (from, bytes) => this.#open?.driver.receive(from, bytes),
        up: (node) => this.#open?.driver.linkUp(node),
        down: () => this.#open?.driver.linkDown(),
        gone: (node, boot) => this.#open?.driver.hint(node, boot),
      },
    );
    let local: Address;
    try {
      local = await network.listen();
    } catch (error) {
      data.close();
      throw error;
    }
    for (const [node, address] of this.#addresses) network.setAddress(node, address);
    this.#opened({
      options,
      streams: network,
      local,
      data,
      driver: this.#drive(options, data, network, new Map()),
    });
  }

  #drive(
    options: OpenConsensus,
    data: ConsensusData,
    transport: ConsensusStreams,
    heard: ReadonlyMap<RaftId, number>,
  ): ConsensusDriver {
    const { clock, soon, bootClock, post } = this.options;
    this.#lease = undefined;
    return new ConsensusDriver({
      log: data.log,
      state: data.state,
      clock,
      soon,
      transport,
      report: (report) => this.#report(report),
      timing: options.timing,
      limits: options.limits,
      snapshotEvery_entries: options.snapshotEvery_entries,
      seed: options.seed,
      lease: (ground) => {
        const { boot } = options;
        const tell = (news: LeaseNews): void => post({ kind: "lease", tell: news });
        this.#lease = new LeaseDriver({ ...options.lease, boot, clock, bootClock, tell }, ground);
        return this.#lease;
      },
      heard,
    });
  }

  #opened(open: Open): void {
    this.#open = open;
    if (this.#ended) return;
    const identity = identityOf(open.data.log.boots.self);
    this.options.post({ kind: "opened", local: open.local, identity, rebuilt: open.data.rebuilt });
  }

  #report(report: ConsensusReport): void {
    const again = (reason: string) => (): void => {
      if (this.#open) this.#again(this.#open, reason, this.#open.options);
    };
    switch (report.kind) {
      case "outdated":
        // Not in the middle of the driver's own step.
        this.options.soon(again(report.detail));
        return;
      case "failed":
        // A full disk is no broken one: nothing of the transaction is left, and the log is looked through again.
        if (report.code === "disk_full") this.#whenRoom(again(""));
        return;
      case "answer":
        this.#answer(report.answer);
        return;
      case "status":
        this.options.post(report);
        return;
      default:
        unreachable(report);
    }
  }

  /** Until then the driver that failed says so in its status. */
  #whenRoom(again: () => void): void {
    const failed = this.#open?.data;
    this.options.clock.after(diskFull_ms, () => {
      if (failed === undefined || this.#open?.data !== failed) return;
      try {
        failed.log.probe();
      } catch {
        // Still full, or broken now: its status says that it is not written.
        this.#whenRoom(again);
        return;
      }
      again();
    });
  }

  /** A new driver on the same streams: on new files when there is a reason, on the same ones otherwise. */
  #again(open: Open, reason: string, options: OpenConsensus): void {
    try {
      const { heard } = open.driver;
      const before = identityOf(open.data.log.boots.self);
      open.driver.close();
      open.data.close();
      const at = this.#dataOptions(options);
      const data = reason === "" ? openConsensusData(at) : rebuildConsensusData(at, reason, before);
      this.#opened({ ...open, options, data, driver: this.#drive(options, data, open.streams, heard) });
      for (const node of this.#addresses.keys()) if (open.streams.isUp(node)) this.#open?.driver.linkUp(node);
    } catch (error) {
      this.#unopened(error);
    }
  }

  #dataOptions(options: OpenConsensus): Parameters<typeof openConsensusData>[0] {
    const { databases, setAside } = this.options;
    const { self: node, boot, logPath, statePath, witness, found } = options;
    return { databases, node, boot, logPath, statePath, witness, found, setAside };
  }

  #setAddress(node: NodeId, address: Address | null): void {
    if (address === null) this.#addresses.delete(node);
    else this.#addresses.set(node, address);
    this.#open?.streams.setAddress(node, address ?? undefined);
  }

  #notOpen(request: number): void {
    const detail = "Consensus has not begun on this node yet";
    this.#answer({ kind: "failed", request, code: "unavailable", detail });
  }

  /** Those of one turn go together. */
  #answer(answer: ConsensusAnswer): void {
    this.#answers.push(answer);
    if (this.#answers.length > 1) return;
    queueMicrotask(() => {
      const answers = this.#answers;
      this.#answers = [];
      this.options.post({ kind: "answers", answers });
    });
  }

  #unopened(error: unknown): void {
    const code = error instanceof CaxtonError ? error.code : "internal";
    this.options.post({ kind: "unopened", code, detail: reasonOf(error) });
    this.end();
  }
}
