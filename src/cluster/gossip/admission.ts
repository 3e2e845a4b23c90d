/**
 * The two sides of a first contact, without I/O: whom a member lets in and why not, and what a newcomer
 * makes of the answer.
 */
import type { NodeId } from "../../base/ids.ts";
import { type Address, formatAddress } from "../../ports/datagrams.ts";
import { isPresent, type SwimMember } from "../../swim/members.ts";
import { WireError } from "../../wire/cursor.ts";
import {
  decodeHello,
  decodeHelloAnswer,
  type Hello,
  type HelloAnswer,
  type RefusalCode,
} from "../../wire/gossip-hello.ts";
import { decodeRecords, type GossipRecord } from "../../wire/gossip-records.ts";
import { sameAddress } from "../../wire/gossip-values.ts";
import { commonVersion, protocolRange } from "../../wire/protocol-version.ts";

export interface Admission {
  readonly self: NodeId;
  readonly address: Address;
  readonly cluster: string;
  /** Null while this node is in no cluster itself. */
  readonly uuid: string | null;
  /** No boot epoch may be above it. */
  readonly bootCeiling: number;
  readonly member: (id: NodeId) => SwimMember | undefined;
  /** The boot epoch of a node that was forgotten or removed; an older one would be heard by nobody. */
  readonly buriedBoot: (id: NodeId) => number | undefined;
}

export type Judgement =
  | { readonly kind: "admit"; readonly hello: Hello; readonly records: readonly GossipRecord[] }
  | { readonly kind: "refuse"; readonly answer: Extract<HelloAnswer, { kind: "refusal" }> };

/** Reads a hello of `from`, whose certificate was checked, and decides. Never throws. */
export function judgeHello(admission: Admission, bytes: Uint8Array, from: NodeId): Judgement {
  try {
    const hello = decodeHello(bytes);
    const records = decodeRecords(hello.records);
    const refusal = whyNot(admission, hello, from, records);
    return refusal ?? { kind: "admit", hello, records };
  } catch (error) {
    if (error instanceof WireError) return refuse("malformed", "the hello is malformed");
    throw error;
  }
}

function whyNot(
  admission: Admission,
  hello: Hello,
  from: NodeId,
  records: readonly GossipRecord[],
): Judgement | undefined {
  const { cluster, uuid } = admission;
  if (hello.cluster !== cluster) {
    return refuse("other_name", `this node is in cluster "${cluster}", not in "${hello.cluster}"`);
  }
  if (commonVersion(protocolRange, hello.protocol) === undefined) {
    const [ours, theirs] = [protocolRange, hello.protocol].map(
      ({ lowest, highest }) => `${lowest} to ${highest}`,
    );
    return refuse("version", `this node speaks protocol ${ours}, the other ${theirs}`);
  }
  if (uuid === null) return refuse("no_uuid", "this node has not joined a cluster itself yet");
  if (hello.uuid !== null && hello.uuid !== uuid) {
    return refuse("other_uuid", `another cluster of the same name: its UUID is ${uuid}, not ${hello.uuid}`);
  }
  const introduction = records.length === 1 ? records[0] : undefined;
  if (introduction?.kind !== "alive" || introduction.node !== hello.node || hello.node !== from) {
    return refuse("malformed", "the hello does not introduce the node that its certificate names");
  }
  return nameConflict(admission, hello, introduction.address);
}

function nameConflict(admission: Admission, hello: Hello, address: Address): Judgement | undefined {
  const taken = (where: Address): Judgement => {
    const detail = `node id "${hello.node}" is in use by a live node at ${formatAddress(where)}`;
    return refuse("name_taken", `${detail}; choose another with --node-id`);
  };
  if (hello.node === admission.self) {
    return sameAddress(address, admission.address) ? undefined : taken(admission.address);
  }
  if (hello.boot > admission.bootCeiling) {
    return refuse(
      "future_boot",
      `boot epoch ${hello.boot} of "${hello.node}" is in the future: set its clock; ` +
        "its data directory keeps that epoch, so it is let in once that time has come, or with another --data-dir",
    );
  }
  const known = admission.member(hello.node);
  // What others told of it before it was ever heard here does not bind it.
  const told = known?.isHearsay === true ? undefined : known?.incarnation.boot;
  const last = known ? told : admission.buriedBoot(hello.node);
  if (last !== undefined && hello.boot < last) {
    const detail = `boot epoch ${hello.boot} of "${hello.node}" is older than ${last}, seen before`;
    const why = "its data directory is an old copy, and its clock behind";
    return refuse(
      "old_boot",
      `${detail}: ${why}; set the clock and start it again, or choose another name with --node-id`,
    );
  }
  return known && isPresent(known) && !sameAddress(known.address, address) ? taken(known.address) : undefined;
}

function refuse(code: RefusalCode, detail: string): Judgement {
  return { kind: "refuse", answer: { kind: "refusal", code, detail } };
}

export type Welcome =
  | { readonly kind: "welcome"; readonly uuid: string; readonly frames: readonly (readonly GossipRecord[])[] }
  /** `elsewhere`: whoever answers is of another cluster, and stays so. */
  | { readonly kind: "refused"; readonly reason: string; readonly elsewhere: boolean };

/** What a newcomer, or a member that looks for a lost one, makes of an answer. Never throws. */
export function readWelcome(bytes: Uint8Array, uuid: string | null): Welcome {
  try {
    const answer = decodeHelloAnswer(bytes);
    if (answer.kind === "refusal") {
      const elsewhere = answer.code === "other_uuid" || answer.code === "other_name";
      return { kind: "refused", reason: answer.detail, elsewhere };
    }
    if (uuid !== null && answer.uuid !== uuid) {
      return {
        kind: "refused",
        reason: `another cluster of the same name: its UUID is ${answer.uuid}, ours ${uuid}`,
        elsewhere: true,
      };
    }
    return {
      kind: "welcome",
      uuid: answer.uuid,
      frames: answer.records.map((records) => decodeRecords(records)),
    };
  } catch (error) {
    if (error instanceof WireError)
      return { kind: "refused", reason: "its answer is malformed", elsewhere: false };
    throw error;
  }
}
