/** What `cluster verify-auth` makes of refusals, in the words of those who refuse. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { judgeHello } from "../../../src/cluster/gossip/admission.ts";
import { comparedRow, refusedRow } from "../../../src/node/auth-check.ts";
import {
  type AuthComparison,
  type AuthFingerprints,
  compareFingerprints,
} from "../../../src/node/identity/fingerprints.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { encodeHello, type Hello } from "../../../src/wire/gossip-hello.ts";
import { encodeRecord, joinRecords } from "../../../src/wire/gossip-records.ts";
import { protocolRange } from "../../../src/wire/protocol-version.ts";

const self = "node-1" as NodeId;
const address = { host: "10.0.0.1", port: 7946 };
const uuid = "0190a000-0000-7000-8000-000000000001";

/** The sentence with which a member turns this hello away. */
function refusal(hello: Partial<Hello>): string {
  const node = hello.node ?? ("node-2" as NodeId);
  const alive = {
    kind: "alive",
    node,
    incarnation: { boot: 1, counter: 0 },
    address: { host: "10.0.0.2", port: 7946 },
    tags: { version: "", region: "", zone: "", api: "", maxAgents: 0, weight: 0, services: [] },
  } as const;
  const bytes = encodeHello({
    cluster: "caxton",
    uuid,
    node,
    boot: 1,
    protocol: protocolRange,
    records: joinRecords([encodeRecord(alive)]),
    ...hello,
  });
  const member = (): undefined => undefined;
  const admission = { self, address, cluster: "caxton", uuid, bootCeiling: 100, member, buriedBoot: member };
  const judgement = judgeHello(admission, bytes, node);
  if (judgement.kind === "admit") throw new Error("it was let in");
  return judgement.answer.detail;
}

test.each([
  ["other_cluster", refusal({ cluster: "elsewhere" })],
  ["other_cluster", refusal({ uuid: "0190a000-0000-7000-8000-000000000002" })],
  ["duplicate_id", refusal({ node: self })],
  ["wrong_clock", refusal({ boot: 1_000 })],
  ["version", refusal({ protocol: { lowest: 200, highest: 201 } })],
  ["wrong_key", "its gossip packets are sealed with another cluster key"],
  ["wrong_key", "its certificate does not come from our cluster key"],
  ["other_cluster", "its gossip packets are of another cluster's name or UUID, or damaged"],
  ["other_cluster", 'it belongs to the cluster "elsewhere", not "caxton"'],
  ["wrong_certificate", "its certificate expired on Jan 1 00:00:00 2026 GMT"],
  ["other", "something new"],
])("%s: %s", (problem, reason) => {
  const row = refusedRow("10.0.0.2", reason);
  expect(row).toMatchObject({ node: "10.0.0.2", problem, detail: `refused: ${reason}` });
  expect(row.gossip_key).toBe(problem === "wrong_key" ? "mismatch" : "unknown");
  expect(row.certificate).toBe(problem === "wrong_certificate" ? "mismatch" : "unknown");
});

test("a member says what it seals with, one with other keys what does not fit", () => {
  const fits = { gossip: true, certificate: true, sealsWith: "k1", rotating: false };
  expect(comparedRow("node-2", fits)).toMatchObject({ problem: null, detail: "seals with key k1" });
  expect(comparedRow("node-2", { ...fits, rotating: true }).detail).toBe("seals with key k1, being rotated");
  expect(comparedRow("node-2", { ...fits, gossip: false })).toMatchObject({
    gossip_key: "mismatch",
    certificate: "match",
    problem: "wrong_key",
  });
  expect(comparedRow("node-2", { ...fits, certificate: false }).problem).toBe("wrong_certificate");
});

test("two nodes fit while each accepts what the other seals with", () => {
  const compare = (own: AuthFingerprints, theirs: Partial<AuthFingerprints>): AuthComparison =>
    compareFingerprints(own, encodeUtf8(JSON.stringify(theirs)));
  const old = { gossip: "k1", accepts: ["k1"], ca: "c" };
  const both = { gossip: "k2", accepts: ["k2", "k1"], ca: "c" };
  const next = { gossip: "k2", accepts: ["k2"], ca: "c" };
  const ready = { gossip: "k1", accepts: ["k1", "k2"], ca: "c" };
  expect(compare(old, old)).toEqual({ gossip: true, certificate: true, sealsWith: "k1", rotating: false });
  expect(compare(ready, both)).toEqual({ gossip: true, certificate: true, sealsWith: "k2", rotating: true });
  expect(compare(old, both).gossip).toBe(false);
  expect(compare(ready, next).gossip).toBe(false);
  expect(compare(old, { ...old, ca: "d" }).certificate).toBe(false);
  expect(compare(old, {}).gossip).toBe(false);
});
