import { expect, test } from "vitest";
import type { SwimEffect } from "../../../src/swim/effects.ts";
import { decodeRecords, joinRecords } from "../../../src/wire/gossip-records.ts";
import { accusation, aliveRecord, at, id, SwimBench } from "../../support/swim-bench.ts";

test("many lost ones that come back together are not taken for sleep: who is suspected then fails in time", () => {
  const bench = new SwimBench();
  const names = [...bench.fill(12), "b"];
  let contact = 0;
  bench.run(60_000, (effect) => {
    if (effect.kind !== "contact") return;
    if (contact > 0) bench.step({ kind: "contacted", contact, by: null });
    ({ contact } = effect);
  });
  expect(names.map((name) => bench.state(name).split(" ")[0])).toEqual(names.map(() => "failed"));
  for (const name of names) bench.hear(name, aliveRecord(name, at(1, 1)));
  bench.hear("c", aliveRecord("c", at(5, 4)));
  // Of one that was there all the while.
  bench.hear("z", aliveRecord("z", at(1, 0)));
  bench.hear("z", accusation("suspect", "c", at(5, 4), "z"));
  bench.step({ kind: "contacted", contact, by: id("b") });
  bench.run(8_000, (effect: SwimEffect) => {
    if (effect.kind !== "send" || !names.includes(effect.node)) return;
    for (const record of decodeRecords(joinRecords(effect.records)))
      if (record.kind === "probe") bench.hear(effect.node, { kind: "ack", sequence: record.sequence });
  });
  expect(bench.state("c")).toBe("failed 5.4");
});
