/** What nodes ask each other about agents: JSON bodies with strict schemas, because a peer may be of another version or broken. */
import * as v from "valibot";
import { CaxtonError } from "../base/errors.ts";
import { namePattern, quote } from "../base/ids.ts";
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import { trapKinds } from "../wasm/trap.ts";
import {
  agentMost,
  capabilities,
  durabilities,
  instancesLimit,
  onNodeLosses,
  partitionBehaviours,
  placementStrategies,
  type AgentSpec,
} from "../wire/agent-spec.ts";
import { decodeUtf8, encodeUtf8, WireError } from "../wire/cursor.ts";
import { priorities, type Priority } from "../wire/message.ts";

export const agentMethods = {
  /** Make it there as it is assigned, now. */
  settle: "agents.settle",
  /** Move an agent of its own. */
  migrate: "agents.migrate",
  /** Will it take that agent? Asked before anything of it is touched. */
  admit: "agents.admit",
  /** Keep a journal until its assignment arrives. */
  incoming: "agents.incoming",
  kept: "agents.kept",
  resume: "agents.resume",
  detail: "agents.detail",
  logs: "agents.logs",
} as const;

/** A request or answer other than logs is small; logs are bounded by their ring. */
const bodyLimit_bytes = 16 * 1024 * 1024;

const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(most));
const agentName = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((text) => text as AgentName),
);
const nodeId = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((text) => text as NodeId),
);
const priorityNames = Object.keys(priorities) as [Priority, ...Priority[]];

const specSchema = v.strictObject({
  name: agentName,
  module: v.pipe(
    v.string(),
    v.regex(/^[0-9a-f]{64}$/),
    v.transform((text) => text as ModuleHash),
  ),
  revision: count(Number.MAX_SAFE_INTEGER),
  epoch: count(Number.MAX_SAFE_INTEGER),
  durability: v.picklist(durabilities),
  priority: v.picklist(priorityNames),
  capabilities: v.pipe(v.array(v.picklist(capabilities)), v.maxLength(capabilities.length)),
  limits: v.strictObject({
    memory_bytes: count(agentMost.memory_bytes),
    fuel: count(agentMost.fuel),
    inbox_messages: count(agentMost.inbox_messages),
    inbox_bytes: count(agentMost.inbox_bytes),
  }),
  restart: v.strictObject({ policy: v.picklist(["restart", "fail"]), maxRestarts: count(1_000_000) }),
  placement: v.strictObject({
    strategy: v.picklist(placementStrategies),
    preferNodes: v.pipe(v.array(nodeId), v.maxLength(1_000)),
    targetNode: v.nullable(nodeId),
    services: v.optional(v.pipe(v.array(v.string()), v.maxLength(64)), []),
    region: v.optional(v.nullable(v.string()), null),
    zone: v.optional(v.nullable(v.string()), null),
  }),
  // Of nodes from before these choices: what held then.
  onNodeLoss: v.optional(v.picklist(onNodeLosses), "restart"),
  partition: v.optional(v.picklist(partitionBehaviours), "park"),
  critical: v.optional(v.boolean(), false),
  instance: v.optional(
    v.strictObject({ of: agentName, index: count(instancesLimit), count: count(instancesLimit) }),
  ),
  deployedAt_ms: v.pipe(v.number(), v.minValue(0), v.maxValue(1e15)),
  deployedBy: v.pipe(v.string(), v.maxLength(512)),
});

export const migrateRequest = v.strictObject({
  name: agentName,
  to: nodeId,
  cause: v.optional(v.picklist(["migrated", "rebalanced"]), "migrated"),
});
export const nameRequest = v.strictObject({ name: agentName });
export const logsRequest = v.strictObject({ name: agentName, limit: count(10_000) });
export const emptyAnswer = v.strictObject({});
export const detailAnswer = v.strictObject({
  spec: specSchema,
  // What came later than the first version is not asked of a peer that does not have it.
  reason: v.optional(v.pipe(v.string(), v.maxLength(16_384)), ""),
  trap_kinds: v.optional(v.record(v.picklist(trapKinds), count(Number.MAX_SAFE_INTEGER)), {}),
  last_trap: v.optional(
    v.nullable(
      v.strictObject({
        kind: v.picklist(trapKinds),
        text: v.pipe(v.string(), v.maxLength(16_384)),
        at_ms: v.number(),
      }),
    ),
    null,
  ),
  inbox: count(Number.MAX_SAFE_INTEGER),
  inbox_bytes: count(Number.MAX_SAFE_INTEGER),
  memory_bytes: count(Number.MAX_SAFE_INTEGER),
  handled: count(Number.MAX_SAFE_INTEGER),
  traps: count(Number.MAX_SAFE_INTEGER),
  restarts: count(Number.MAX_SAFE_INTEGER),
});
export const keptAnswer = v.strictObject({
  kept: v.pipe(
    v.array(
      v.strictObject({
        name: agentName,
        epoch: count(Number.MAX_SAFE_INTEGER),
        owner: nodeId,
        owner_epoch: count(Number.MAX_SAFE_INTEGER),
        at_ms: v.number(),
        inbox: count(Number.MAX_SAFE_INTEGER),
        keys: count(Number.MAX_SAFE_INTEGER),
      }),
    ),
    v.maxLength(10_000),
  ),
});
export const logsAnswer = v.strictObject({
  lines: v.pipe(
    v.array(
      v.strictObject({
        at_ms: v.number(),
        level: v.picklist(["debug", "info", "warn", "error"]),
        text: v.pipe(v.string(), v.maxLength(8_192)),
      }),
    ),
    v.maxLength(10_000),
  ),
});

/** Throws `invalid_body` for anything that the schema does not allow. */
export function parseBody<S extends v.GenericSchema>(schema: S, body: Uint8Array): v.InferOutput<S> {
  const refuse = (why: string): CaxtonError =>
    new CaxtonError("invalid_body", `Request of a peer refused: ${why}`);
  if (body.length > bodyLimit_bytes) throw refuse(`${body.length} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(body));
  } catch (error) {
    if (error instanceof WireError || error instanceof SyntaxError) throw refuse("it is not JSON");
    throw error;
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const path = v.getDotPath(parsed.issues[0]);
  throw refuse(`${path === null ? "" : `${path}: `}${parsed.issues[0].message}`.slice(0, 300));
}

export function jsonBody(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}

/**
 * A specification as the control state keeps it. Throws `invalid_argument` for one that no node could read back: so
 * nothing of the kind is ever proposed.
 */
export function encodeSpec(spec: AgentSpec): Uint8Array {
  const checked = v.safeParse(specSchema, spec, { abortEarly: true });
  if (checked.success) return jsonBody(spec);
  const path = v.getDotPath(checked.issues[0]) ?? "the whole";
  throw new CaxtonError(
    "invalid_argument",
    `Agent ${quote(spec.name)} cannot be as it is specified: ${path}: ${checked.issues[0].message}`.slice(
      0,
      300,
    ),
  );
}

/** Throws `invalid_body`. */
export function parseSpec(bytes: Uint8Array): AgentSpec {
  return parseBody(specSchema, bytes);
}
