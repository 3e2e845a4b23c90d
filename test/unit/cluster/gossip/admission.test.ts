import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { type Admission, judgeHello } from "../../../../src/cluster/gossip/admission.ts";
import { encodeHello, type Hello } from "../../../../src/wire/gossip-hello.ts";
import { encodeRecords } from "../../../../src/wire/gossip-records.ts";
import { protocolRange } from "../../../../src/wire/protocol-version.ts";
import { idleLoad } from "../../../../src/wire/gossip-tags.ts";
import { addressOf, aliveRecord, at, benchTags, SwimBench } from "../../../support/swim-bench.ts";

const uuid = "0190a2b4-0000-7000-8000-000000000001";
const otherUuid = "0190a2b4-0000-7000-8000-000000000002";
const id = (name: string): NodeId => name as NodeId;

/** `a`, which knows `b` in its boot 1 and `c` in its boot 5. */
function admission(change: Partial<Admission> = {}, { swim } = new SwimBench()): Admission {
  const member = (node: NodeId) => swim.member(node);
  return {
    self: id("a"),
    address: addressOf("a"),
    cluster: "main",
    uuid,
    bootCeiling: 1_000,
    member,
    buriedBoot: (node) => swim.buriedBoot(node),
    ...change,
  };
}

function judged(
  hello: Partial<Hello> & { introduces?: string },
  from = "new",
  change: Partial<Admission> = {},
) {
  const { introduces, ...said } = hello;
  const node = said.node ?? id("new");
  const boot = said.boot ?? 1;
  const records = encodeRecords([aliveRecord(introduces ?? node, at(boot, 0))]);
  const bytes = encodeHello({ cluster: "main", uuid, node, boot, protocol: protocolRange, records, ...said });
  const judgement = judgeHello(admission(change), bytes, id(from));
  return judgement.kind === "admit" ? "admitted" : judgement.answer.code;
}

describe("a first contact", () => {
  test("of a newcomer, and of a member that was restarted, is let in", () => {
    expect(judged({})).toBe("admitted");
    expect(judged({ uuid: null })).toBe("admitted");
    expect(judged({ node: id("c"), boot: 6 }, "c")).toBe("admitted");
  });

  test.each([
    ["another cluster's", { cluster: "other" }, "new", "other_name"],
    ["another cluster's of this name", { uuid: otherUuid }, "new", "other_uuid"],
    ["one that speaks a later protocol", { protocol: { lowest: 200, highest: 201 } }, "new", "version"],
    ["one under a name that its certificate does not have", {}, "mallory", "malformed"],
    ["one that introduces another", { introduces: "b" }, "new", "malformed"],
    ["one of this node's name, elsewhere", { node: id("a"), introduces: "a" }, "a", "admitted"],
    ["one from the future", { boot: 2_000 }, "new", "future_boot"],
    ["an old copy of a member's disk", { node: id("c"), boot: 4 }, "c", "old_boot"],
    ["bytes that are no records", { records: new Uint8Array([255, 255, 1]) }, "new", "malformed"],
  ])("of %s ends as it must", (_what, hello, from, expected) => {
    expect(judged(hello, from)).toBe(expected);
  });

  test("of an older life than the one that was removed is refused, as nobody would hear of it", () => {
    const bench = new SwimBench();
    bench.step({ kind: "remove", node: id("c"), boot: 5 });
    const { member, buriedBoot } = admission({}, bench);
    const again = (boot: number) => judged({ node: id("c"), boot }, "c", { member, buriedBoot });
    expect([again(4), again(6)]).toEqual(["old_boot", "admitted"]);
    bench.hear("c", aliveRecord("c", at(4, 0)));
    expect(bench.state("c")).toBe("unknown");
  });

  test("of a life that others told of before it was ever heard here is let in, whatever they said", () => {
    const bench = new SwimBench();
    const { host, port } = addressOf("x");
    const row = {
      kind: "member",
      node: id("x"),
      incarnation: at(900, 0),
      address: { host, port },
      tags: benchTags,
    } as const;
    const gone = { ...row, status: "failed", age_ms: 0, loadSequence: 0, load: idleLoad } as const;
    bench.step({ kind: "frame", from: id("b"), records: [gone] });
    const { member, buriedBoot } = admission({}, bench);
    expect(judged({ node: id("x"), boot: 4, introduces: "x" }, "x", { member, buriedBoot })).toBe("admitted");
  });

  test("is refused while this node is in no cluster itself, and under the name of a live node elsewhere", () => {
    expect(judged({}, "new", { uuid: null })).toBe("no_uuid");
    const moved = { host: "10.9.9.9", port: 1 };
    expect(judged({ node: id("a") }, "a", { address: moved })).toBe("name_taken");
  });
});
