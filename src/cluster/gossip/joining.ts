/**
 * How a node comes into its cluster and lets others in, for the gossip driver: says hello, answers it, and
 * takes the cluster's UUID from the first welcome. What it decides by is in gossip-admission.ts.
 */
import { assert } from "../../base/assert.ts";
import type { NodeId } from "../../base/ids.ts";
import { type Address, formatAddress } from "../../ports/datagrams.ts";
import { encodeHello, encodeHelloAnswer, welcomeFrames } from "../../wire/gossip-hello.ts";
import { type GossipRecord, joinRecords } from "../../wire/gossip-records.ts";
import { protocolRange } from "../../wire/protocol-version.ts";
import { type Admission, judgeHello, readWelcome } from "./admission.ts";
import type { ContactOutcome } from "./reports.ts";

export interface JoiningDriver {
  readonly boot: number;
  /** All that an admission needs but the UUID, which is kept here. */
  readonly admission: () => Omit<Admission, "uuid">;
  /** This node's alive update, and its tables, as encoded records. */
  readonly introduction: () => Uint8Array;
  readonly tables: () => readonly (readonly Uint8Array[])[];
  readonly hear: (from: NodeId, records: readonly GossipRecord[]) => void;
  /** The contact is over: who welcomed this node, or null. */
  readonly contacted: (contact: number, by: NodeId | null) => void;
  readonly adopted: (uuid: string) => void;
  readonly enter: (uuid: string) => void;
  /** The first welcome was heard: packets that came meanwhile say what is newer. */
  readonly entered: () => void;
  /** `elsewhere`: the source, which this node looked for, is of another cluster. */
  readonly refused: (source: string, reason: string, elsewhere: boolean) => void;
}

export class GossipJoining {
  #uuid: string | null;
  /** A welcome whose UUID is being kept by the node. */
  #welcomed: { readonly contact: number; readonly uuid: string; readonly settle: () => void } | null = null;

  constructor(
    uuid: string | null,
    private readonly driver: JoiningDriver,
  ) {
    this.#uuid = uuid;
  }

  /** Null until a fresh joiner was let in and its UUID kept. */
  get uuid(): string | null {
    return this.#uuid;
  }

  hello(): Uint8Array {
    const { self: node, cluster } = this.driver.admission();
    const records = joinRecords([this.driver.introduction()]);
    return encodeHello({
      cluster,
      uuid: this.#uuid,
      node,
      boot: this.driver.boot,
      protocol: protocolRange,
      records,
    });
  }

  /** Answers a hello of the node that the stream's certificate names. */
  answer(hello: Uint8Array, from: NodeId, remote: Address): Uint8Array {
    const admission = this.driver.admission();
    const judgement = judgeHello({ ...admission, uuid: this.#uuid }, hello, from);
    if (judgement.kind === "refuse") {
      this.driver.refused(`${from} at ${remote.host}`, judgement.answer.detail, false);
      return encodeHelloAnswer(judgement.answer);
    }
    assert(this.#uuid !== null, "only a member lets others in");
    if (from !== admission.self) this.driver.hear(from, judgement.records);
    const records = this.driver.tables().slice(0, welcomeFrames).map(joinRecords);
    return encodeHelloAnswer({ kind: "welcome", uuid: this.#uuid, records });
  }

  contacted(contact: number, address: Address, outcome: ContactOutcome): void {
    if (outcome.kind === "failed") {
      if (outcome.code === "wrong_key" || outcome.code === "wrong_cluster")
        this.driver.refused(formatAddress(address), outcome.reason, true);
      else if (outcome.code === "conflict")
        this.driver.refused(formatAddress(address), outcome.reason, false);
      this.driver.contacted(contact, null);
      return;
    }
    const { by, reply } = outcome;
    const welcome = readWelcome(reply, this.#uuid);
    if (welcome.kind === "refused") {
      const reason = `it does not let this node in: ${welcome.reason}`;
      this.driver.refused(formatAddress(address), reason, welcome.elsewhere);
      this.driver.contacted(contact, null);
      return;
    }
    const settle = (): void => this.#settle(contact, by, welcome.frames);
    if (this.#uuid !== null) {
      settle();
      return;
    }
    // The first welcome decides; it is offered again with each further one until it is kept, or cannot be.
    if (this.#welcomed) this.driver.contacted(contact, null);
    this.#welcomed ??= { contact, uuid: welcome.uuid, settle };
    this.driver.adopted(this.#welcomed.uuid);
  }

  /** The adopted UUID is on disk: from now on this node is a member and speaks UDP. Else it is let in another time. */
  kept(onDisk: boolean): void {
    const welcomed = this.#welcomed;
    this.#welcomed = null;
    if (!welcomed) return;
    if (!onDisk) {
      this.driver.contacted(welcomed.contact, null);
      return;
    }
    this.#uuid = welcomed.uuid;
    this.driver.enter(welcomed.uuid);
    welcomed.settle();
    this.driver.entered();
  }

  #settle(contact: number, by: NodeId, frames: readonly (readonly GossipRecord[])[]): void {
    const { self } = this.driver.admission();
    if (by !== self) for (const records of frames) this.driver.hear(by, records);
    this.driver.contacted(contact, by);
  }
}
