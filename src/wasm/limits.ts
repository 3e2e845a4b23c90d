/**
 * What a module may be and what running it costs. Every bound on hostile bytes and every price in
 * fuel is named here. Not here: what an agent is granted (its spec), what traps mean (trap.ts).
 */

/** Bounds on a module. Where the engines have a limit, ours is that or lower. */
export const moduleLimits = {
  module_bytes: 16 * 1024 * 1024,
  /** The instrumented module; worst cases grow about fivefold and are refused above this. */
  instrumented_bytes: 64 * 1024 * 1024,
  /** One function body, before and after instrumentation: what JSC and V8 accept. */
  body_bytes: 7_654_321,
  types: 10_000,
  functions: 100_000,
  imports: 1_000,
  exports: 10_000,
  globals: 10_000,
  mutableGlobals: 1_000,
  tables: 100,
  /** Entries of all tables together: an empty one of ten million costs 640 MiB. */
  tableEntries: 65_536,
  elementSegments: 100_000,
  /** Entries of all element segments together. */
  elements: 131_072,
  dataSegments: 100_000,
  params: 1_000,
  results: 1_000,
  /** Parameters and locals of one function. */
  locals: 10_000,
  /** Nested blocks of one function. */
  nesting: 4_096,
  branchTargets: 65_520,
  /** Blocks, loops and ifs of all functions: JSC takes 2 µs to check each. */
  blocks: 1_000_000,
  /** Places of one function that the rewriter changes. */
  patches: 1_000_000,
  name_bytes: 1_024,
} as const;

export const page_bytes = 65_536;

/** Prices in fuel. One unit is one instruction. */
export const fuelPrices = {
  /**
   * Blocks that one unit pays. They cost nothing once compiled, and a switch of 200 cases enters 200 of
   * them; but JSC's interpreter steps through each, so they are not free.
   */
  blocksPerUnit: 16,
  /** Bulk memory and growth: one unit for each 2⁴ = 16 bytes. */
  bulkShift: 4,
  /** Values of the state that the host copies: one unit for each 2³ = 8 bytes. */
  copyShift: 3,
  /** A byte of a message: it is checked, copied and kept until it is delivered. */
  messageByte: 1,
  /** A byte of a key of the state: it is compared with the keys on its way, which may all begin alike. */
  keyByte: 8,
  /** Added to a call that the host refuses: it explains why. */
  refusedCall: 3_000,
  /** Entering a function zeroes its locals: one unit for each 16. */
  localsPerUnit: 16,
} as const;

/** Call depth a frame costs: 1, and one more for each 128 locals, since those are stack too. */
export const localsPerDepth = 128;

/** Refused growths of memory in one call before it traps with kind `memory`. */
export const refusedGrowthLimit = 16;

/** What an engine's own stack holds with room to spare; above it the engine's overflow traps first. */
export const callDepthLimit = 100_000;
