/**
 * Nodes that take no part in gossip and are registered by HTTP: what was said of each, and how the leader judges its
 * silence. The figures of heartbeats are not here: they never reach the log.
 */
import type { NodeId } from "../base/ids.ts";
import { placeLimit_bytes, readNodeId } from "./control-node.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

export const registrationsLimit = 1_000;
export const hostnameLimit_bytes = 255;
export const registeredServicesLimit = 64;
export const serviceLimit_bytes = 64;

/** What it may do besides leading, which only a node of the cluster can. The index is the byte on the wire. */
export const registeredRoles = ["worker", "replica", "standby"] as const;
export type RegisteredRole = (typeof registeredRoles)[number];

/** By its silence. The index is the byte on the wire and in the table. */
export const registeredStates = ["online", "unhealthy", "offline"] as const;
export type RegisteredState = (typeof registeredStates)[number];

export interface RegistrationDetails {
  readonly id: NodeId;
  readonly hostname: string;
  /** An IP address or a name, and a port. */
  readonly host: string;
  readonly port: number;
  readonly maxAgents: number;
  readonly role: RegisteredRole;
  readonly region: string;
  readonly zone: string;
  readonly services: readonly string[];
}

export interface Registration extends RegistrationDetails {
  /** Unix time of the leader, for people. */
  readonly at_ms: number;
  readonly state: RegisteredState;
  /** Another one after each change, and after it was registered anew. */
  readonly version: number;
}

export interface Judgement {
  readonly id: NodeId;
  /** Of the registration that was judged: another one, and this is passed over. */
  readonly version: number;
  readonly state: RegisteredState;
}

export interface Judgements {
  /** Nothing is judged in another term of Raft than this: who judged leads no more. */
  readonly term: number;
  readonly judgements: readonly Judgement[];
}

export interface RegistrationRemoval {
  readonly id: NodeId;
  /** Only at this version; null: whatever is there. */
  readonly version: number | null;
}

function writeDetails(writer: Writer, details: RegistrationDetails): void {
  const { id, hostname, host, port, maxAgents, role, region, zone, services } = details;
  writer.text(id).text(hostname).text(host).u16(port).u32(maxAgents).u8(registeredRoles.indexOf(role));
  writer.text(region).text(zone).varint(services.length);
  for (const service of services) writer.text(service);
}

function readDetails(reader: Reader): RegistrationDetails {
  const id = readNodeId(reader);
  const hostname = readPlain(reader, hostnameLimit_bytes);
  const host = readPlain(reader, hostnameLimit_bytes);
  const port = reader.u16();
  const maxAgents = reader.u32();
  const role = registeredRoles[reader.u8()];
  if (role === undefined) throw new WireError("unknown role of a registered node");
  const region = readPlain(reader, placeLimit_bytes);
  const zone = readPlain(reader, placeLimit_bytes);
  const count = reader.count(registeredServicesLimit);
  const services = Array.from({ length: count }, () => readService(reader));
  return { id, hostname, host, port, maxAgents, role, region, zone, services };
}

function readPlain(reader: Reader, limit: number): string {
  const text = reader.text(limit);
  if (text.includes("\0")) throw new WireError("registration with a NUL");
  return text;
}

/** Services stand in one column with commas between. */
function readService(reader: Reader): string {
  const service = readPlain(reader, serviceLimit_bytes);
  if (service === "" || service.includes(",")) throw new WireError("not a service's name");
  return service;
}

function readState(reader: Reader): RegisteredState {
  const state = registeredStates[reader.u8()];
  if (state === undefined) throw new WireError("unknown state of a registered node");
  return state;
}

export function encodeRegistrationPut(details: RegistrationDetails): Uint8Array {
  const writer = new Writer();
  writeDetails(writer, details);
  return writer.finish();
}

export const readRegistrationPut = readDetails;

export function encodeRegistrationRemoval({ id, version }: RegistrationRemoval): Uint8Array {
  const writer = new Writer().text(id).bool(version !== null);
  if (version !== null) writer.u64(version);
  return writer.finish();
}

export function readRegistrationRemoval(reader: Reader): RegistrationRemoval {
  return { id: readNodeId(reader), version: reader.bool() ? reader.u64() : null };
}

export function encodeJudgements({ term, judgements }: Judgements): Uint8Array {
  const writer = new Writer(16 + 80 * judgements.length).u64(term).varint(judgements.length);
  for (const { id, version, state } of judgements)
    writer.text(id).u64(version).u8(registeredStates.indexOf(state));
  return writer.finish();
}

export function readJudgements(reader: Reader): Judgements {
  const term = reader.u64();
  const count = reader.count(registrationsLimit, 11);
  const judgements = Array.from({ length: count }, () => ({
    id: readNodeId(reader),
    version: reader.u64(),
    state: readState(reader),
  }));
  return { term, judgements };
}

export function encodeRegistrations(registrations: readonly Registration[]): Uint8Array {
  const writer = new Writer(128 * registrations.length + 16).varint(registrations.length);
  for (const registration of registrations) {
    writeDetails(writer, registration);
    const { at_ms, state, version } = registration;
    writer.u64(at_ms).u8(registeredStates.indexOf(state)).u64(version);
  }
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeRegistrations(bytes: Uint8Array): readonly Registration[] {
  const reader = new Reader(bytes);
  const count = reader.count(registrationsLimit, 32);
  const registrations = Array.from({ length: count }, () => ({
    ...readDetails(reader),
    at_ms: reader.u64(),
    state: readState(reader),
    version: reader.u64(),
  }));
  reader.finish();
  return registrations;
}
