/**
 * An endless sequence of appends from a seed, each with its number written into an agent's state,
 * so that a store found after a crash says itself how many of them it has.
 */
import type { AgentName } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { encodeUtf8 } from "../../src/wire/cursor.ts";
import type { JournalRecord } from "../../src/wire/journal-record.ts";
import { StoreModel } from "./store-model.ts";
import { randomRecords } from "./store-records.ts";

export const numberAgent = "number" as AgentName;
const numberKey = encodeUtf8("number");

/** The `number`th append, from 1. */
export function numberedBatch(seed: number, number: number): readonly JournalRecord[] {
  const prng = new Prng(seed * 1_000_003 + number);
  const mark: JournalRecord = {
    kind: "handled",
    agent: numberAgent,
    message: null,
    state: [{ key: numberKey, value: encodeUtf8(String(number)) }],
    sends: [],
    timers: [],
  };
  const records = randomRecords(prng, prng.between(1, 10));
  const at = prng.below(records.length + 1);
  return [...records.slice(0, at), mark, ...records.slice(at)];
}

/** The number in a recovered state; 0 when there is none. */
export function numberIn(state: readonly (readonly [Uint8Array, Uint8Array])[]): number {
  const value = state[0]?.[1];
  return value === undefined ? 0 : Number(new TextDecoder().decode(value));
}

/** What a store must hold that has the first `count` appends. */
export function modelOf(seed: number, count: number): StoreModel {
  const model = new StoreModel();
  for (let number = 1; number <= count; number++) {
    for (const record of numberedBatch(seed, number)) model.apply(record);
  }
  return model;
}
