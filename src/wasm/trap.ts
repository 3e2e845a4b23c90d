/**
 * Why an agent's code stopped, as one closed set. The instrumentation says it for fuel, call depth
 * and memory; the rest is read from what the engine threw, in the words of JSC or V8.
 */

export const trapKinds = [
  /** The call's fuel ran out. */
  "fuel",
  /** Calls nested deeper than allowed, or the engine's own stack ended first. */
  "call_depth",
  /** The memory limit was hit and the guest gave up, or went on asking. */
  "memory",
  /** A table could not be made. */
  "table",
  /** The guest gave up by itself: a panic, an abort, a failed assertion. */
  "unreachable",
  /** An access outside of memory or of a table. */
  "out_of_bounds",
  /** Division by zero, overflow of a division, a float with no integer. */
  "arithmetic",
  /** A call through a table that is empty there or has another type. */
  "indirect_call",
  /** The guest gave the host a bad pointer, length or result. */
  "abi",
  /** The guest went on with calls that the host refuses. */
  "refused_calls",
  "other",
] as const;
export type TrapKind = (typeof trapKinds)[number];

/** A guest's call ended by a trap. The instance that threw it is not used again. */
export class AgentTrap extends Error {
  override readonly name = "AgentTrap";

  constructor(
    readonly kind: TrapKind,
    readonly detail: string,
    options?: { readonly cause?: unknown },
  ) {
    super(`${kind}: ${detail}`, options);
  }
}

/** Engine messages (JSC's, then V8's), first match wins. */
const patterns: readonly (readonly [RegExp, TrapKind])[] = [
  [
    /call_indirect|indirect call|signature mismatch|null function|table index is out of bounds/i,
    "indirect_call",
  ],
  [/division by zero|divide by zero|integer overflow|remainder by zero|unrepresentable/i, "arithmetic"],
  [/out.of.bounds.*(trunc|conversion)|truncat/i, "arithmetic"],
  [/unreachable/i, "unreachable"],
  [/out.of.bounds|outside of memory/i, "out_of_bounds"],
  [/stack (size|overflow)/i, "call_depth"],
  [/out of memory|memory/i, "memory"],
  [/table/i, "table"],
];

/** What an operator can do is said where it is read. */
export const budgetUsedUp =
  "the agents of this node have all the memory of its budget (agents.memory_budget)";

/** What the instrumented module's own reason code says, as `caxton:reason` returns it. */
export const trapReasons = { fuel: 1, callDepth: 2, memory: 3, growthRefused: 0x100 } as const;

/** The message, without the piece of our own source that JSC puts behind it. */
function textOf(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const source = message.indexOf(" (evaluating '");
  return (source < 0 ? message : message.slice(0, source)).slice(0, 300);
}

/** The trap that something thrown by a guest's call stands for. */
export function classifyTrap(
  thrown: unknown,
  reason: number,
  limits: { fuel: number; call_depth: number },
): AgentTrap {
  const code = reason & 0xff;
  const options = { cause: thrown };
  if (code === trapReasons.fuel)
    return new AgentTrap("fuel", `used all ${limits.fuel} units of fuel`, options);
  if (code === trapReasons.callDepth) {
    return new AgentTrap("call_depth", `calls nested deeper than ${limits.call_depth}`, options);
  }
  if (code === trapReasons.memory) {
    return new AgentTrap("memory", "went on growing memory beyond its limit or the node's budget", options);
  }
  if (thrown instanceof AgentTrap) return thrown;
  const text = textOf(thrown);
  if (!(thrown instanceof WebAssembly.RuntimeError) && !(thrown instanceof RangeError)) {
    return new AgentTrap("other", text, options);
  }
  const kind = patterns.find(([pattern]) => pattern.test(text))?.[1] ?? "other";
  if ((reason & trapReasons.growthRefused) !== 0 && (kind === "unreachable" || kind === "out_of_bounds")) {
    return new AgentTrap("memory", `gave up after memory could not grow: ${text}`, options);
  }
  return new AgentTrap(kind, text, options);
}
