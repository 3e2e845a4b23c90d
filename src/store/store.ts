/**
 * The node's durable state, as its other threads see it. The store thread alone touches the
 * database; `StoreClient` (store-client.ts) speaks to it over a channel, from main and from each
 * agent thread. Every promise resolves only when the change is on disk (synchronous=FULL), and
 * rejects with a `CaxtonError` (`disk_full`, `storage_failed`, `data_corrupt`) that changed nothing.
 */
import type { AgentName, MessageId, ModuleHash, NodeId } from "../base/ids.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { JournalRecord } from "../wire/journal-record.ts";

export interface StoredAgent {
  readonly spec: AgentSpec;
  readonly suspended: boolean;
}

/** What a durable agent had when the node stopped. */
export interface RecoveredAgent {
  /** Accepted and not handled, oldest first, as encoded messages. */
  readonly inbox: readonly Uint8Array[];
  /** The agent's key-value state, keys ascending bytewise. */
  readonly state: readonly (readonly [Uint8Array, Uint8Array])[];
  readonly timers: readonly { readonly id: number; readonly due_ms: number }[];
  /** Ids of messages handled lately, newest last, for de-duplication (at most 4,096). */
  readonly handled: readonly MessageId[];
  /** From `save`, for `load` of the next revision. */
  readonly saved: Uint8Array | undefined;
}

/** A journal that ended here under `epoch`, since `owner` has the agent under `owner_epoch`; nothing replays it. */
export interface KeptJournal {
  readonly name: AgentName;
  readonly epoch: number;
  readonly owner: NodeId;
  readonly owner_epoch: number;
  readonly at_ms: number;
  /** Accepted here and never handled. */
  readonly inbox: number;
  /** Keys of its state. */
  readonly keys: number;
}

export interface DeadLetter {
  readonly id: number;
  readonly reason: string;
  readonly detail: string;
  readonly at_ms: number;
  readonly message: Uint8Array;
}

export interface ConversationSummary {
  readonly id: string;
  readonly messages: number;
  readonly participants: readonly string[];
  readonly protocol: string;
  readonly firstAt_ms: number;
  readonly lastAt_ms: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass as `cursor` for the next page; null at the end. */
  readonly next: string | null;
}

export interface Store {
  putModule(hash: ModuleHash, bytes: Uint8Array): Promise<void>;
  getModule(hash: ModuleHash): Promise<Uint8Array | undefined>;
  listModules(): Promise<readonly { readonly hash: ModuleHash; readonly size_bytes: number }[]>;
  removeModule(hash: ModuleHash): Promise<void>;

  saveAgent(agent: StoredAgent): Promise<void>;
  /** The record and everything of the agent: inbox, state, timers. Its unhandled mail becomes dead letters (`agent_removed`). */
  removeAgent(name: AgentName): Promise<void>;
  listAgents(): Promise<readonly StoredAgent[]>;
  recoverAgent(name: AgentName): Promise<RecoveredAgent>;
  /** Bytes of what `recoverAgent` gives, without what stands around it. */
  measureAgent(name: AgentName): Promise<number>;
  /** The agent's record goes, and its journal stays for inspection alone. Nothing when it is not there. */
  putAside(name: AgentName, owner: NodeId, owner_epoch: number): Promise<void>;
  /** Newest first. */
  listKept(name: AgentName): Promise<readonly KeptJournal[]>;
  /** Keeps what another node hands over, in place of an earlier hand-over of the agent. Throws `data_corrupt` for no journal. */
  putIncoming(name: AgentName, transfer: number, journal: Uint8Array): Promise<void>;
  /** The agent begins with what was handed over; false, and nothing is changed, when that is not here. */
  takeIncoming(agent: StoredAgent, transfer: number): Promise<boolean>;
  /** The agent lives elsewhere with everything that it had here. */
  removeMoved(name: AgentName): Promise<void>;
  /** What waits for an agent whose journal is an old copy: it may have handled that long since. It becomes dead letters (`old_copy`). */
  removeDoubtful(name: AgentName): Promise<void>;

  /** Group commit: resolves when all the records are durable, in the order of the calls. */
  append(records: readonly JournalRecord[]): Promise<void>;
  /** Durable messages on their way to other agents, oldest first: what `outbox` records put there and `sent` ones have not removed. */
  recoverOutbox(): Promise<readonly Uint8Array[]>;
  /** Of an outbox that is an old copy: those messages may have been delivered long since. They become dead letters (`old_copy`). */
  removeUnsent(ids: readonly MessageId[]): Promise<void>;

  listDeadLetters(options: { limit: number; cursor: string | null }): Promise<Page<DeadLetter>>;
  /** Removes and returns those ids, or all; for replay and purge. */
  takeDeadLetters(ids: readonly number[] | "all"): Promise<readonly DeadLetter[]>;
  listConversations(options: { limit: number; cursor: string | null }): Promise<Page<ConversationSummary>>;
  /** Messages of one conversation in order, or of all, newest first. */
  listMessages(options: {
    conversation: string | null;
    limit: number;
    cursor: string | null;
  }): Promise<Page<Uint8Array>>;

  /** Small named values: cluster UUID, boot epoch, keys of the issuer, seen peers. */
  getMeta(key: string): Promise<Uint8Array | undefined>;
  putMeta(key: string, value: Uint8Array): Promise<void>;

  stats(): Promise<StoreStats>;
  close(): Promise<void>;
}

/** `deadLetters` and `outbox` are as of what is applied: within about a quiet second of the truth. */
export interface StoreStats {
  readonly size_bytes: number;
  /** Group commits since the store was opened. */
  readonly commits: number;
  /** Records that are durable and not yet applied to the tables. */
  readonly journalRecords: number;
  readonly deadLetters: number;
  /** Dropped since the store was made, because there were more than it keeps. */
  readonly deadLettersDropped: number;
  readonly outbox: number;
  /** The latest commits, at most 512, oldest first. */
  readonly commit_ms: readonly number[];
  /** Why the latest write failed, as for a full disk; null when it did not. */
  readonly refusing: string | null;
}
