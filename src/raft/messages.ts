/**
 * What participants say to each other: plain data, one union. `from` and `to` are the envelope's. Every message may be
 * lost, repeated, late or out of order. Terms decide first: what is of an older term is answered or dropped, what is
 * of a newer one makes its receiver a follower (except a pre-vote's question, whose term is only a wish).
 */
import type { Configuration } from "./configuration.ts";
import type { Entry, LogPosition } from "./entry.ts";

/** Asks for a vote, or before that (`pre`) whether it would be given. `term` is the one that the asker would lead. */
export interface VoteMessage {
  readonly kind: "vote";
  readonly term: number;
  readonly pre: boolean;
  readonly last: LogPosition;
  /** The leader itself asked for this election: its followers' loyalty does not count. */
  readonly transfer: boolean;
}

/** `term` is the one asked for when granted, else the answerer's own. */
export interface VoteReplyMessage {
  readonly kind: "vote-reply";
  readonly term: number;
  readonly pre: boolean;
  readonly granted: boolean;
}

/** Entries that follow `previous`. None: a probe for where the logs agree, or news of the commit index. */
export interface AppendMessage {
  readonly kind: "append";
  readonly term: number;
  readonly previous: LogPosition;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/** The receiver's log agrees with the leader's up to `match`, durably. */
export interface AppendedMessage {
  readonly kind: "appended";
  readonly term: number;
  readonly match: number;
}

/** It does not have `previous`; `hint` is its last entry that could agree, `last` where its log ends. */
export interface RefusedMessage {
  readonly kind: "refused";
  readonly term: number;
  readonly previous: number;
  readonly hint: LogPosition;
  readonly last: number;
}

/** The leader lives. `round` counts its rounds up; an answer proves that it led after it began that round. */
export interface HeartbeatMessage {
  readonly kind: "heartbeat";
  readonly term: number;
  readonly round: number;
  /** Never above what the receiver is known to have. */
  readonly commit: number;
}

export interface HeartbeatReplyMessage {
  readonly kind: "heartbeat-reply";
  readonly term: number;
  readonly round: number;
}

/** Commands for the leader. The driver of a leader may replace `data` (stamp it) before its core sees them. */
export interface ForwardMessage {
  readonly kind: "forward";
  /** The term in which the receiver leads, as the sender believes. */
  readonly term: number;
  readonly proposals: readonly ForwardedProposal[];
}

export interface ForwardedProposal {
  /** The sender's number for it. */
  readonly id: number;
  readonly data: Uint8Array;
}

/** What became of forwarded proposals: where they stand in the log, or why not. */
export interface ForwardReplyMessage {
  readonly kind: "forward-reply";
  readonly term: number;
  readonly results: readonly ForwardResult[];
}

export interface ForwardResult {
  readonly id: number;
  /** Null: refused, and nothing was appended. */
  readonly position: LogPosition | null;
}

/**
 * The leader refuses a forwarded command for good, and says why. It goes ahead of the `forward-reply` that refuses it, too:
 * that one is what an older node understands.
 */
export interface ForwardRefusedMessage {
  readonly kind: "forward-refused";
  readonly term: number;
  readonly id: number;
  /** Of the driver's errors; the core only carries it. */
  readonly code: string;
  readonly detail: string;
}

/** Asks the leader for an index that is safe to read at. `token` is never used twice by its sender. */
export interface ReadIndexMessage {
  readonly kind: "read-index";
  readonly term: number;
  readonly token: number;
}

export interface ReadIndexReplyMessage {
  readonly kind: "read-index-reply";
  readonly term: number;
  readonly token: number;
  /** Null: the answerer does not lead, or cannot say. */
  readonly index: number | null;
}

/** Campaign now, without a pre-vote: leadership is given to you. */
export interface TimeoutNowMessage {
  readonly kind: "timeout-now";
  readonly term: number;
}

/** One transfer of one snapshot; resumable while both sides remember it. */
export interface SnapshotMark {
  /** Unique for its sender's process. */
  readonly transfer: number;
  readonly position: LogPosition;
  /** The one that counts at `position`. */
  readonly configuration: Configuration;
}

/** A chunk, numbered from 0. A witness gets one empty chunk: to it the mark is the whole snapshot. */
export interface SnapshotMessage {
  readonly kind: "snapshot";
  readonly term: number;
  readonly mark: SnapshotMark;
  readonly chunk: number;
  readonly bytes: Uint8Array;
  readonly final: boolean;
}

/** `wanted`: the next chunk that its receiver takes. `refused`: it gave this snapshot up (its whole was not sound). */
export interface SnapshotReplyMessage {
  readonly kind: "snapshot-reply";
  readonly term: number;
  readonly transfer: number;
  readonly position: LogPosition;
  readonly state: "receiving" | "installed" | "refused";
  readonly wanted: number;
}

export type RaftMessage =
  | VoteMessage
  | VoteReplyMessage
  | AppendMessage
  | AppendedMessage
  | RefusedMessage
  | HeartbeatMessage
  | HeartbeatReplyMessage
  | ForwardMessage
  | ForwardReplyMessage
  | ForwardRefusedMessage
  | ReadIndexMessage
  | ReadIndexReplyMessage
  | TimeoutNowMessage
  | SnapshotMessage
  | SnapshotReplyMessage;

/**
 * Nobody gets so far ahead by counting: no word of such a term is taken, or a single forged one could use all the
 * numbers up.
 */
export const termStep_max = 2 ** 32;

/** What only a leader says: it may be one that was added after the newest configuration of who hears it. */
export function isOfLeader({ kind }: RaftMessage): boolean {
  return kind === "append" || kind === "heartbeat" || kind === "snapshot";
}
