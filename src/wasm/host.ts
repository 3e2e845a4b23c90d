/**
 * The host's side of the ABI: closures over one instance, only for what the module imports. They
 * check pointers, pay fuel for what the host copies, and hand plain values to `HostFunctions`.
 */
import { stateKeyLimit_bytes } from "../wire/journal-codec.ts";
import { importModule, isHostFunctionName } from "./abi.ts";
import type { HostFunctionName } from "./abi.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { fuelPrices } from "./limits.ts";
import { AgentTrap } from "./trap.ts";

/**
 * What an agent can ask of its host. Byte arrays given to these are views of the guest's memory:
 * valid during the call only, so whoever keeps them copies. Codes are those of the ABI. None may
 * call the instance back. A throw is a trap of kind `other`, or of its own kind if an `AgentTrap`.
 */
export interface HostFunctions {
  /** `text` is meant to be UTF-8, at most `logLimit_bytes`; level 0 debug, 1 info, 2 warn, 3 error. */
  log(level: 0 | 1 | 2 | 3, text: Uint8Array): void;
  /** 0, or -1 invalid, -2 queue full, -3 too large, -4 too many in one call. */
  send(message: Uint8Array): number;
  /** Unix ms, the same during one call. */
  now(): number;
  random(): bigint;
  /** 0, or -5 too many. The delay is finite and not negative. */
  timerSet(id: number, delay_ms: number): number;
  timerCancel(id: number): number;
  stateGet(key: Uint8Array): Uint8Array | undefined;
  /** 0, or -6 over a limit of the agent's state. */
  stateSet(key: Uint8Array, value: Uint8Array): number;
  stateDelete(key: Uint8Array): number;
  /** The smallest key greater than this one. */
  stateNext(key: Uint8Array): Uint8Array | undefined;
}

/** A log text longer than this is cut. */
export const logLimit_bytes = 4_096;
/** What is shorter is paid by the price of the call itself. */
const freeCopy_bytes = 256;
const freeKey_bytes = 32;

/** What the closures need of their instance. */
export interface GuestAccess {
  readonly memory: GuestMemory;
  /** Takes fuel; traps when there is too little. */
  charge(units: number): void;
}

type HostClosure = (...values: never[]) => number | bigint | void;

/** The import object of one instance, with exactly the functions that its module names. */
export function hostImports(
  names: readonly string[],
  host: HostFunctions,
  guest: GuestAccess,
): WebAssembly.Imports {
  if (names.length === 0) return {};
  const functions: Record<string, HostClosure> = {};
  for (const name of names) {
    if (isHostFunctionName(name)) functions[name] = makers[name](host, guest);
  }
  return { [importModule]: functions };
}

const makers: Readonly<Record<HostFunctionName, (host: HostFunctions, guest: GuestAccess) => HostClosure>> = {
  log: (host, guest) => (level: number, pointer: number, length: number) => {
    const text = guest.memory.range(pointer, length, "log");
    host.log(logLevel(level), text.length > logLimit_bytes ? text.subarray(0, logLimit_bytes) : text);
  },
  send: (host, guest) => (pointer: number, length: number) => {
    const message = guest.memory.range(pointer, length, "send");
    if (message.length >= freeCopy_bytes) guest.charge(message.length * fuelPrices.messageByte);
    return answered(guest, host.send(message));
  },
  now: (host) => () => host.now(),
  random: (host) => () => host.random(),
  timer_set: (host, guest) => (id: number, delay_ms: number) => {
    if (delay_ms === Infinity) throw new AgentTrap("abi", "timer_set: the delay is infinite");
    return answered(guest, host.timerSet(id, delay_ms > 0 ? delay_ms : 0));
  },
  timer_cancel: (host) => (id: number) => host.timerCancel(id),
  state_get: (host, guest) => (keyAt: number, keyLength: number, at: number, capacity: number) => {
    guest.memory.check(at, capacity, "state_get, value");
    const key = paidKey(guest, guest.memory.range(keyAt, keyLength, "state_get, key"));
    return giveBack(guest, host.stateGet(key), at, capacity);
  },
  state_set: (host, guest) => (keyAt: number, keyLength: number, at: number, length: number) => {
    const key = paidKey(guest, guest.memory.range(keyAt, keyLength, "state_set, key"));
    return answered(
      guest,
      host.stateSet(key, paid(guest, guest.memory.range(at, length, "state_set, value"))),
    );
  },
  state_delete: (host, guest) => (keyAt: number, keyLength: number) => {
    const key = paidKey(guest, guest.memory.range(keyAt, keyLength, "state_delete, key"));
    return answered(guest, host.stateDelete(key));
  },
  state_next: (host, guest) => (keyAt: number, keyLength: number, at: number, capacity: number) => {
    guest.memory.check(at, capacity, "state_next, key found");
    const key = paidKey(guest, guest.memory.range(keyAt, keyLength, "state_next, key"));
    return giveBack(guest, host.stateNext(key), at, capacity);
  },
};

function logLevel(level: number): 0 | 1 | 2 | 3 {
  return level === 0 || level === 1 || level === 2 ? level : level < 0 ? 0 : 3;
}

function paid(guest: GuestAccess, bytes: Uint8Array): Uint8Array {
  if (bytes.length >= freeCopy_bytes) guest.charge(bytes.length >>> fuelPrices.copyShift);
  return bytes;
}

function paidKey(guest: GuestAccess, key: Uint8Array): Uint8Array {
  if (key.length > freeKey_bytes) {
    guest.charge(Math.min(key.length, stateKeyLimit_bytes) * fuelPrices.keyByte);
  }
  return key;
}

/** A refusal costs more than a call that is carried out. */
function answered(guest: GuestAccess, answer: number): number {
  if (answer < 0) guest.charge(fuelPrices.refusedCall);
  return answer;
}

/** Copies `value` to `at` when it fits; returns its length, or -1 when there is none. */
function giveBack(guest: GuestAccess, value: Uint8Array | undefined, at: number, capacity: number): number {
  if (value === undefined) return -1;
  if (value.length <= capacity >>> 0) guest.memory.bytes.set(paid(guest, value), at >>> 0);
  return value.length;
}
