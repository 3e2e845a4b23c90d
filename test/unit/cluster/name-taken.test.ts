/** Whoever answers a first contact: a member, or another under its name. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { nameTaken } from "../../../src/cluster/name-taken.ts";
import { formatAddress } from "../../../src/ports/datagrams.ts";
import { MembershipTable } from "../../support/membership-table.ts";

const b = "b" as NodeId;

test("a member that is there keeps its name; one that is gone may come back anywhere", () => {
  const membership = new MembershipTable("a" as NodeId, [b]);
  const known = membership.member(b);
  if (known === undefined) throw new Error("there is a b");
  const { address, bootEpoch } = known;
  const elsewhere = { ...address, host: "192.0.2.7" };
  const taken = (boot: number, at = elsewhere): string | null => nameTaken(membership, b, boot, at);
  const text = `node id "b" is in use by a live node at ${formatAddress(address)}`;
  expect([taken(bootEpoch + 1), taken(bootEpoch - 1)]).toEqual([text, text]);
  // Itself by another address, and its restart at its own.
  expect([taken(bootEpoch), taken(bootEpoch + 1, address)]).toEqual([null, null]);
  membership.setStatus(b, "suspect");
  expect(taken(bootEpoch + 1)).toContain("is in use by a live node");
  membership.setStatus(b, "failed");
  expect(taken(bootEpoch + 1)).toBe(null);
  expect(nameTaken(membership, "c" as NodeId, 1, elsewhere)).toBe(null);
  expect(nameTaken(membership, "a" as NodeId, bootEpoch + 1, elsewhere)).toBe(null);
});
