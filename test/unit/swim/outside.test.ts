/** A core that is in no cluster yet: it looks for one, and neither believes nor tells anything. */
import { expect, test } from "vitest";
import { Swim } from "../../../src/swim/swim.ts";
import { timingOf } from "../../../src/swim/timing.ts";
import { addressOf, aliveRecord, at, benchTags, id } from "../../support/swim-bench.ts";

const options = {
  self: id("a"),
  boot: 1,
  address: addressOf("a"),
  tags: benchTags,
  timing: timingOf("lan"),
  seed: 1,
  payloadLimit_bytes: 1_280,
  reserved_bytes: 0,
};

test("a node that waits to join believes no packet and no frame, and answers none; once inside it does", () => {
  const swim = new Swim(options, 0);
  const records = [aliveRecord("b", at(1, 0)), { kind: "probe", sequence: 7, target: id("a") } as const];
  const packet = { kind: "packet", from: id("b"), boot: 1, address: addressOf("b"), records } as const;
  const frame = { kind: "frame", from: id("b"), records } as const;
  expect(swim.step(packet, 1)).toEqual([]);
  expect(swim.step(frame, 2)).toEqual([]);
  expect(swim.member(id("b"))).toBeUndefined();
  expect(swim.refused.get("unexpected")).toBe(2);
  swim.step({ kind: "enter" }, 3);
  expect(swim.step(packet, 4).map(({ kind }) => kind)).toContain("send");
  expect(swim.member(id("b"))).toMatchObject({ status: "alive" });
});
