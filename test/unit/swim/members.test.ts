import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Members } from "../../../src/swim/members.ts";
import { memberStatuses } from "../../../src/wire/gossip-records.ts";
import { addressOf, at, benchTags, id } from "../../support/swim-bench.ts";

describe("the table of members", () => {
  test("counts and lists agree with its rows after any changes", () => {
    const change = fc.record({
      node: fc.integer({ min: 0, max: 9 }),
      status: fc.constantFrom(...memberStatuses, "buried" as const),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const members = new Members();
        for (const { node, status } of changes) {
          const name = `n${node}`;
          const row = { id: id(name), address: addressOf(name), incarnation: at(1, 0), tags: benchTags };
          const known = members.get(row.id);
          if (status === "buried" && known) members.bury(known, 1, true);
          else if (status !== "buried" && known) members.setStatus(known, status, 0);
          else if (status !== "buried") members.insert({ ...row, status }, 0);
        }
        const having = (status: string): string[] =>
          [...members.all()]
            .filter((row) => row.status === status)
            .map((row) => row.id)
            .sort();
        expect(members.alive.map((row) => row.id).sort()).toEqual(having("alive"));
        expect([...members.suspects()].map((row) => row.id).sort()).toEqual(having("suspect"));
        expect(members.present).toBe(having("alive").length + having("suspect").length);
      }),
    );
  });
});
