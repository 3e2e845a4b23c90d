/** Random gossip values for property tests. */
import fc from "fast-check";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { agentStatuses } from "../../../src/wire/agent-spec.ts";
import type { DirectoryChange } from "../../../src/wire/gossip-directory.ts";
import { raftRoles } from "../../../src/wire/gossip-tags.ts";
import { type GossipRecord, memberStatuses } from "../../../src/wire/gossip-records.ts";

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
export const nodeId = name as fc.Arbitrary<NodeId>;
const agentName = name as fc.Arbitrary<AgentName>;
const moduleHash = fc.stringMatching(/^[0-9a-f]{64}$/) as fc.Arbitrary<ModuleHash>;
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u48 = fc.integer({ min: 0, max: 2 ** 48 });
const percent = fc.double({ min: 0, max: 100, noNaN: true });
export const address = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
});
export const incarnation = fc.record({ boot: u48, counter: u32 });
const tag = fc.stringMatching(/^[ -~]{0,40}$/);
const raft = fc.record({
  host: fc.oneof(fc.constant(""), fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
  identity: u48,
  role: fc.constantFrom(...raftRoles),
});
export const tags = fc.record(
  {
    version: tag,
    region: tag,
    zone: tag,
    api: tag,
    maxAgents: u32,
    weight: fc.double({ min: 0, max: 1e6, noNaN: true }),
    services: fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { maxLength: 8 }),
    raft,
  },
  { requiredKeys: ["version", "region", "zone", "api", "maxAgents", "weight", "services"] },
);
const load = fc.record({
  agents: u32,
  cpu_percent: percent,
  memory_bytes: fc.maxSafeNat(),
  memory_percent: percent,
});
const claim = fc.record({
  epoch: fc.maxSafeNat(),
  revision: u32,
  status: fc.constantFrom(...agentStatuses),
  module: moduleHash,
});
const change: fc.Arbitrary<DirectoryChange> = fc.record({
  agent: agentName,
  sequence: u48,
  claim: fc.option(claim),
});
const head = fc.record({ boot: u48, complete: u48, hash: u32 });
const chunk = fc
  .record({
    owner: nodeId,
    boot: u48,
    from: fc.integer({ min: 0, max: 2 ** 40 }),
    full: fc.boolean(),
    changes: fc.array(
      fc.record({ agent: agentName, claim: fc.option(claim), step: fc.integer({ min: 1, max: 1000 }) }),
      {
        maxLength: 20,
      },
    ),
  })
  .map(({ changes, from, ...rest }) => {
    let sequence = from;
    const numbered = changes.map(({ agent, claim: one, step }) => {
      sequence += step;
      return { agent, sequence, claim: one };
    });
    return { ...rest, from, to: sequence + 1, changes: numbered };
  });
const kind = <K extends string>(value: K): fc.Arbitrary<K> => fc.constant(value);
const digest = fc.record({ sequence: fc.integer({ min: 2_000, max: 2 ** 48 }), hash: u32 });
const tagsDelta = fc
  .record({
    boot: u48,
    since: fc.integer({ min: 0, max: 1_000 }),
    digest,
    names: fc.array(fc.tuple(fc.stringMatching(/^[ -~]{1,40}$/), fc.boolean()), { maxLength: 30 }),
  })
  .map(({ names, ...rest }) => ({
    kind: "tags-delta" as const,
    ...rest,
    changes: names.map(([name, present], i) => ({ name, present, sequence: rest.since + 1 + i })),
  }));
const alive = { node: nodeId, incarnation, address, tags };

export const gossipRecord: fc.Arbitrary<GossipRecord> = fc.oneof(
  fc.record({ kind: kind("probe"), sequence: u32, target: nodeId }),
  fc.record({ kind: fc.constantFrom("ack" as const, "nack" as const), sequence: u32 }),
  fc.record({
    kind: kind("probe-request"),
    sequence: u32,
    target: nodeId,
    address,
    wait_ms: fc.integer({ min: 0, max: 60_000 }),
  }),
  fc.record({ kind: kind("introduce") }),
  fc.record({ kind: kind("alive"), ...alive }),
  fc.record({
    kind: fc.constantFrom("suspect" as const, "failed" as const),
    node: nodeId,
    incarnation,
    accuser: nodeId,
  }),
  fc.record({ kind: fc.constantFrom("left" as const, "removed" as const), node: nodeId, incarnation }),
  fc.record({ kind: kind("load"), node: nodeId, boot: u48, sequence: u32, load }),
  fc.record({
    kind: kind("member"),
    ...alive,
    status: fc.constantFrom(...memberStatuses),
    age_ms: fc.maxSafeNat(),
    loadSequence: u32,
    load,
  }),
  fc.record({ kind: kind("push-pull"), reply: fc.boolean() }),
  fc.record({
    kind: kind("coordinate"),
    coordinate: fc.record({
      vector_ms: fc.array(fc.float(), { maxLength: 32 }),
      error: fc.float(),
      adjustment_ms: fc.float(),
      height_ms: fc.float(),
    }),
  }),
  fc.record({
    kind: kind("certificate"),
    node: nodeId,
    boot: u48,
    keyId: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    signature: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
  fc.record({ kind: kind("grave"), node: nodeId, incarnation, age_ms: u48 }),
  fc.record({ kind: kind("head"), owner: nodeId, head }),
  fc.record({ kind: kind("change"), owner: nodeId, boot: u48, change }),
  fc.record({ kind: kind("pull"), owner: nodeId, boot: u48, since: u48 }),
  fc.record({ kind: kind("chunk"), chunk }),
  fc.record({ kind: kind("tags-digest"), node: nodeId, boot: u48, digest }),
  fc.record({ kind: kind("tags-pull"), boot: u48, since: u48 }),
  tagsDelta,
);
