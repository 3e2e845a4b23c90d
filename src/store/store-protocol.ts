/** What a `StoreClient` and the store thread say to each other. Appends travel encoded and transferred, all else cloned. */
import type { AgentName, MessageId, ModuleHash, NodeId } from "../base/ids.ts";
import type { OutboxPage } from "./outbox-table.ts";
import type { StoredModule } from "./module-table.ts";
import type {
  NewQueuedWrite,
  QueuedSince,
  QueuedWriteCounts,
  QueuedWriteRow,
  QueuedWriteToDo,
  SettledWrite,
  TakeLimit,
} from "./queued-writes-table.ts";
import type {
  ConversationSummary,
  DeadLetter,
  KeptJournal,
  Page,
  RecoveredAgent,
  StoredAgent,
  StoreStats,
} from "./store.ts";

interface PageRequest {
  readonly limit: number;
  readonly cursor: string | null;
}

/** Each call, with what it gives. */
export interface StoreCalls {
  putModule: { readonly in: { readonly hash: ModuleHash; readonly bytes: Uint8Array }; readonly out: void };
  getModule: { readonly in: ModuleHash; readonly out: Uint8Array | undefined };
  listModules: { readonly in: null; readonly out: readonly StoredModule[] };
  removeModule: { readonly in: ModuleHash; readonly out: void };
  saveAgent: { readonly in: StoredAgent; readonly out: void };
  removeAgent: { readonly in: AgentName; readonly out: void };
  listAgents: { readonly in: null; readonly out: readonly StoredAgent[] };
  recoverAgent: { readonly in: AgentName; readonly out: RecoveredAgent };
  putAside: {
    readonly in: { readonly name: AgentName; readonly owner: NodeId; readonly owner_epoch: number };
    readonly out: void;
  };
  listKept: { readonly in: AgentName; readonly out: readonly KeptJournal[] };
  putIncoming: {
    readonly in: { readonly name: AgentName; readonly transfer: number; readonly journal: Uint8Array };
    readonly out: void;
  };
  takeIncoming: {
    readonly in: { readonly agent: StoredAgent; readonly transfer: number };
    readonly out: boolean;
  };
  removeMoved: { readonly in: AgentName; readonly out: void };
  removeDoubtful: { readonly in: AgentName; readonly out: void };
  removeUnsent: { readonly in: readonly MessageId[]; readonly out: void };
  measureAgent: { readonly in: AgentName; readonly out: number };
  recoverOutbox: { readonly in: number; readonly out: OutboxPage };
  listDeadLetters: { readonly in: PageRequest; readonly out: Page<DeadLetter> };
  takeDeadLetters: { readonly in: readonly number[] | "all"; readonly out: readonly DeadLetter[] };
  listConversations: { readonly in: PageRequest; readonly out: Page<ConversationSummary> };
  listMessages: {
    readonly in: PageRequest & { readonly conversation: string | null };
    readonly out: Page<Uint8Array>;
  };
  getMeta: { readonly in: string; readonly out: Uint8Array | undefined };
  putMeta: { readonly in: { readonly key: string; readonly value: Uint8Array }; readonly out: void };
  putQueuedWrite: {
    readonly in: { readonly write: NewQueuedWrite; readonly limit: number };
    readonly out: QueuedWriteRow;
  };
  takeQueuedWrites: { readonly in: TakeLimit; readonly out: readonly QueuedWriteToDo[] };
  putQueuedWritesBack: { readonly in: readonly string[]; readonly out: void };
  putWriteOutcomes: { readonly in: readonly SettledWrite[]; readonly out: void };
  takeUnbegunWrites: { readonly in: string; readonly out: number };
  getQueuedWrite: { readonly in: string; readonly out: QueuedWriteRow | undefined };
  listQueuedWrites: {
    readonly in: PageRequest & QueuedSince;
    readonly out: Page<QueuedWriteRow>;
  };
  countQueuedWrites: { readonly in: QueuedSince; readonly out: QueuedWriteCounts };
  stats: { readonly in: null; readonly out: StoreStats };
  /** Commits what was appended before, then ends this client; that of the owner closes the store. */
  close: { readonly in: null; readonly out: void };
}

export type StoreCallName = keyof StoreCalls;

export type StoreCall = {
  [Name in StoreCallName]: { readonly name: Name; readonly in: StoreCalls[Name]["in"] };
}[StoreCallName];

export type StoreRequest =
  | {
      readonly kind: "append";
      readonly request: number;
      readonly batch: Uint8Array;
      readonly records: number;
    }
  | { readonly kind: "call"; readonly request: number; readonly call: StoreCall }
  /** Agents that were saved in one turn, each with the number of its request. */
  | { readonly kind: "saves"; readonly saves: readonly AgentSave[] };

export interface AgentSave {
  readonly request: number;
  readonly agent: StoredAgent;
}

export type StoreReply =
  /** Every one of these appends or saves is durable. */
  | { readonly kind: "appended"; readonly requests: readonly number[] }
  | { readonly kind: "result"; readonly request: number; readonly value: unknown }
  | {
      readonly kind: "failed";
      readonly requests: readonly number[];
      readonly code: string;
      readonly detail: string;
    };
