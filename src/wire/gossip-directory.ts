/**
 * The agent directory on the wire: single changes that ride in packets, and chunks (at most 64 KiB)
 * that answer a request for everything after a sequence. Modules repeat, so a chunk names each once.
 */
import { type AgentName, type ModuleHash, namePattern, type NodeId } from "../base/ids.ts";
import { type AgentStatus, agentStatuses } from "./agent-spec.ts";
import { type Reader, WireError, type Writer } from "./cursor.ts";
import { readBoot, readNodeId } from "./gossip-values.ts";

export type DirectoryRecord =
  /** How far the list of `owner` goes, as the sender of the packet knows it. */
  | { readonly kind: "head"; readonly owner: NodeId; readonly head: DirectoryHead }
  | {
      readonly kind: "change";
      readonly owner: NodeId;
      readonly boot: number;
      readonly change: DirectoryChange;
    }
  | { readonly kind: "pull"; readonly owner: NodeId; readonly boot: number; readonly since: number }
  | { readonly kind: "chunk"; readonly chunk: DirectoryChunk };

/** What an owner says of one of its agents. */
export interface AgentClaim {
  readonly epoch: number;
  readonly revision: number;
  readonly status: AgentStatus;
  readonly module: ModuleHash;
}

/** One change of an owner's list; `claim` null says that the agent is no longer there. */
export interface DirectoryChange {
  readonly agent: AgentName;
  /** Rises by one with every change of the owner within its boot epoch; dense from 1. */
  readonly sequence: number;
  readonly claim: AgentClaim | null;
}

/** How much of an owner's changes somebody knows: all up to `complete`. `hash` covers the live claims. */
export interface DirectoryHead {
  readonly boot: number;
  readonly complete: number;
  readonly hash: number;
}

/** All that is still true of an owner's changes in (from, to]. `full`: what is not listed there is gone. */
export interface DirectoryChunk {
  readonly owner: NodeId;
  readonly boot: number;
  readonly from: number;
  readonly to: number;
  readonly full: boolean;
  readonly changes: readonly DirectoryChange[];
}

/** No honest owner makes as many changes in one life. */
export const sequenceLimit = 2 ** 48;
/** Keeps a chunk below 64 KiB with the longest names and a module each. */
export const chunkChanges = 500;
const changeLeast_bytes = 4;

function writeHead(writer: Writer, head: DirectoryHead): void {
  writer.u64(head.boot).u64(head.complete).u32(head.hash);
}

export function readHead(reader: Reader): DirectoryHead {
  return { boot: readBoot(reader), complete: readSequence(reader), hash: reader.u32() };
}

export function readSequence(reader: Reader): number {
  const sequence = reader.u64();
  if (sequence > sequenceLimit) throw new WireError("sequence out of range");
  return sequence;
}

function writeChange(writer: Writer, change: DirectoryChange): void {
  writer
    .text(change.agent)
    .u64(change.sequence)
    .bool(change.claim !== null);
  if (change.claim === null) return;
  writer.u64(change.claim.epoch).varint(change.claim.revision).u8(agentStatuses.indexOf(change.claim.status));
  writeModule(writer, change.claim.module);
}

export function readChange(reader: Reader): DirectoryChange {
  const agent = readAgentName(reader);
  const sequence = readSequence(reader);
  if (!reader.bool()) return { agent, sequence, claim: null };
  return { agent, sequence, claim: readClaim(reader, () => readModule(reader)) };
}

function writeChunk(writer: Writer, chunk: DirectoryChunk): void {
  writer.text(chunk.owner).u64(chunk.boot).u64(chunk.from).u64(chunk.to).bool(chunk.full);
  const modules = new Map<ModuleHash, number>();
  for (const { claim } of chunk.changes) {
    if (claim && !modules.has(claim.module)) modules.set(claim.module, modules.size);
  }
  writer.varint(modules.size);
  for (const module of modules.keys()) writeModule(writer, module);
  writer.varint(chunk.changes.length);
  for (const { agent, sequence, claim } of chunk.changes) {
    writer
      .text(agent)
      .varint(sequence - chunk.from)
      .bool(claim !== null);
    if (claim === null) continue;
    writer.u64(claim.epoch).varint(claim.revision).u8(agentStatuses.indexOf(claim.status));
    writer.varint(modules.get(claim.module) ?? 0);
  }
}

export function readChunk(reader: Reader): DirectoryChunk {
  const owner = readNodeId(reader);
  const boot = readBoot(reader);
  const from = readSequence(reader);
  const to = readSequence(reader);
  if (to < from) throw new WireError("chunk that ends before it begins");
  const full = reader.bool();
  const modules = Array.from({ length: reader.count(chunkChanges, 32) }, () => readModule(reader));
  const module = (): ModuleHash => {
    const hash = modules[reader.varint()];
    if (hash === undefined) throw new WireError("module that the chunk does not name");
    return hash;
  };
  const changes = Array.from({ length: reader.count(chunkChanges, changeLeast_bytes) }, () => {
    const agent = readAgentName(reader);
    const sequence = from + reader.varint();
    if (sequence <= from || sequence > to) throw new WireError("change outside its chunk");
    return { agent, sequence, claim: reader.bool() ? readClaim(reader, module) : null };
  });
  return { owner, boot, from, to, full, changes };
}

function readClaim(reader: Reader, module: () => ModuleHash): AgentClaim {
  const epoch = reader.u64();
  const revision = reader.varint();
  const status = agentStatuses[reader.u8()];
  if (status === undefined) throw new WireError("unknown agent status");
  return { epoch, revision, status, module: module() };
}

const hexBytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function readAgentName(reader: Reader): AgentName {
  const text = reader.text(64);
  if (!namePattern.test(text)) throw new WireError("agent name of another alphabet");
  return text as AgentName;
}

function writeModule(writer: Writer, module: ModuleHash): void {
  for (let i = 0; i < 32; i++) writer.u8(Number.parseInt(module.slice(2 * i, 2 * i + 2), 16));
}

function readModule(reader: Reader): ModuleHash {
  let text = "";
  for (let i = 0; i < 32; i++) text += hexBytes[reader.u8()] ?? "";
  return text as ModuleHash;
}

export function writeDirectoryBody(writer: Writer, record: DirectoryRecord): void {
  switch (record.kind) {
    case "head":
      writer.text(record.owner);
      writeHead(writer, record.head);
      return;
    case "change":
      writer.text(record.owner).u64(record.boot);
      writeChange(writer, record.change);
      return;
    case "pull":
      writer.text(record.owner).u64(record.boot).u64(record.since);
      return;
    case "chunk":
      writeChunk(writer, record.chunk);
  }
}
