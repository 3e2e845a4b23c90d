/** Tags that do not fit an alive update: by digest and delta, between drivers over memory, and against liars. */
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { TagsSync } from "../../../../src/cluster/gossip/tags-sync.ts";
import { decodeRecords, joinRecords } from "../../../../src/wire/gossip-records.ts";
import { checkTags, type NodeTags } from "../../../../src/wire/gossip-tags.ts";
import type { TagsRecord } from "../../../../src/wire/gossip-tags-sync.ts";
import { benchTags } from "../../../support/swim-bench.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

const many = (count: number, prefix = "service"): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(4, "0")}`);
const withServices = (services: readonly string[]): NodeTags => ({ ...benchTags, services });

function servicesAt(at: WorldNode, of: WorldNode): readonly string[] {
  return at.driver.members().find(({ id }) => id === of.id)?.tags.services ?? [];
}

describe("tags beyond an alive update", () => {
  test("16 KiB of them are known to all, at later joiners too; more is refused", async () => {
    const world = new World(61);
    const nodes = await world.cluster(5);
    const [owner] = nodes as [WorldNode];
    const services = many(1_024);
    owner.driver.setTags(withServices(services));
    expect(
      world.clock.runUntil(() => nodes.every((node) => servicesAt(node, owner).length === 1_024), 10_000),
    ).toBe(true);
    expect(servicesAt(nodes[3] as WorldNode, owner)).toEqual(services);
    const late = await world.start("n6", { seeds: ["n3"] });
    expect(world.clock.runUntil(() => servicesAt(late, owner).length === 1_024, 20_000)).toBe(true);
    expect(() => checkTags(withServices(many(1_025)))).toThrow("at most 1024");
    expect(() => checkTags(withServices(many(200, "x".repeat(100))))).toThrow("at most 16384");
    expect(() => checkTags(withServices([...many(40), "\u0007"]))).toThrow("printable");
  });

  test("a change costs what has changed, not the whole list", async () => {
    const world = new World(62);
    const nodes = await world.cluster(5);
    const [owner] = nodes as [WorldNode];
    owner.driver.setTags(withServices(many(1_000)));
    world.clock.advance(20_000);
    const before = world.streamed_bytes;
    const fewer = [...many(1_000).slice(1), "another"];
    owner.driver.setTags(withServices(fewer));
    const knows = (node: WorldNode): boolean => servicesAt(node, owner).includes("another");
    expect(world.clock.runUntil(() => nodes.every(knows), 5_000)).toBe(true);
    for (const node of nodes) expect(servicesAt(node, owner)).toEqual(fewer.toSorted());
    expect(world.streamed_bytes - before).toBeLessThan(3_000);
  });

  test("they shrink again, and a restarted owner begins anew", async () => {
    const world = new World(63);
    const nodes = await world.cluster(3);
    const [, owner] = nodes as [WorldNode, WorldNode];
    owner.driver.setTags(withServices(many(100)));
    world.clock.advance(5_000);
    owner.driver.setTags(withServices(["few"]));
    world.clock.advance(5_000);
    for (const node of nodes) expect(servicesAt(node, owner)).toEqual(["few"]);
    owner.driver.setTags(withServices(many(90)));
    world.clock.advance(5_000);
    await world.kill(owner);
    const again = await world.start(owner.id, { boot: 2, seeds: ["n1"] });
    world.clock.advance(3_000);
    for (const node of [nodes[0], nodes[2]] as WorldNode[]) expect(servicesAt(node, again)).toEqual(["api"]);
  });

  test("membership news is not held up by them: a failure is known as soon while all nodes change theirs", async () => {
    const took = async (busy: boolean): Promise<number> => {
      const world = new World(64);
      const nodes = await world.cluster(12);
      world.clock.advance(15_000);
      const victim = nodes[7] as WorldNode;
      await world.kill(victim);
      const began = world.clock.now_ms();
      const rest = nodes.filter((node) => node !== victim);
      let round = 0;
      const known = (): boolean => rest.every((node) => world.statusAt(node, victim) === "failed");
      while (!known() && world.clock.now_ms() - began < 10_000) {
        if (busy)
          for (const node of rest) node.driver.setTags(withServices(many(200, `${node.id}-${round}`)));
        round++;
        world.clock.runUntil(known, 250);
      }
      return world.clock.now_ms() - began;
    };
    const [idle, busy] = [await took(false), await took(true)];
    expect(busy).toBeLessThan(Math.max(1_500, 1.3 * idle));
  });
});

interface Sent {
  readonly to: NodeId;
  readonly record: TagsRecord;
}

/** One node's side, spoken to by hand; `b` is a member of boot 7. */
function bench(self = "a"): {
  sync: TagsSync;
  sent: Sent[];
  spread: string[];
  refused: string[];
  changed: NodeId[];
} {
  const found = {
    sent: [] as Sent[],
    spread: [] as string[],
    refused: [] as string[],
    changed: [] as NodeId[],
  };
  const sync = new TagsSync({
    self: self as NodeId,
    boot: 7,
    bootOf: (node) => (node === "stranger" ? undefined : 7),
    send: (to, records) => {
      for (const record of decodeRecords(joinRecords(records)))
        found.sent.push({ to, record: record as TagsRecord });
    },
    spread: (key) => found.spread.push(key),
    refuse: (reason) => found.refused.push(reason),
    members: () => 3,
    random: () => 0,
    changed: (node) => found.changed.push(node),
  });
  return { sync, ...found };
}

describe("hostile tags", () => {
  const digest = (node: string, sequence: number, hash = 5): TagsRecord => ({
    kind: "tags-digest",
    node: node as NodeId,
    boot: 7,
    digest: { sequence, hash },
  });
  const [b, liar] = ["b", "liar"] as NodeId[] as [NodeId, NodeId];

  test("a false digest of another makes this node ask that other, a few times, and believe nothing", () => {
    const { sync, sent, changed } = bench();
    sync.hear(liar, digest("b", 9), 0, false);
    for (let now = 0; now < 60_000; now += 500) sync.run(now);
    expect(sent.map(({ to }) => to)).toEqual([b, b, b]);
    expect(changed).toEqual([]);
    expect(sync.due()).toBe(Infinity);
  });

  test("only the owner's own stream counts, only when asked, and only what fits its digest", () => {
    const owner = bench("b");
    owner.sync.announce(withServices(many(60)));
    const { sync, sent, refused, changed } = bench();
    const true_digest = decodeRecords(joinRecords(owner.sync.digests()[0] ?? []))[0] as TagsRecord;
    owner.sync.hear("a" as NodeId, { kind: "tags-pull", boot: 7, since: 0 }, 0, true);
    const delta = owner.sent[0]?.record as Extract<TagsRecord, { kind: "tags-delta" }>;
    sync.hear(b, delta, 0, true);
    expect(refused).toEqual(["unexpected"]);
    sync.hear(liar, true_digest, 0, false);
    sync.run(0);
    expect(sent).toEqual([{ to: b, record: { kind: "tags-pull", boot: 7, since: 0 } }]);
    sync.hear(b, delta, 0, false);
    sync.hear(liar, delta, 0, true);
    const changes = delta.changes.with(3, {
      name: "forged",
      sequence: delta.changes[3]?.sequence ?? 0,
      present: true,
    });
    sync.hear(b, { ...delta, changes }, 0, true);
    expect(refused.slice(1)).toEqual(["unexpected", "unexpected", "tags_contradicted"]);
    expect(changed).toEqual([]);
    sync.hear(b, delta, 0, true);
    expect(changed).toEqual([b]);
    expect(sync.whole(b, 7, benchTags).services).toEqual(many(60));
    expect(sync.whole(b, 8, benchTags).services).toEqual([]);
  });

  test("strangers, numbers out of reach and questions without end are refused", () => {
    const { sync, sent, refused } = bench();
    sync.hear(liar, digest("stranger", 3), 0, false);
    sync.hear(liar, digest("b", 2 ** 50), 0, false);
    sync.run(0);
    expect(sent).toEqual([]);
    for (let i = 0; i < 100; i++) sync.hear(liar, { kind: "tags-pull", boot: 7, since: 0 }, i, true);
    sync.hear(liar, { kind: "tags-pull", boot: 7, since: 0 }, 500, false);
    expect(sent.length).toBe(1);
    expect(refused.filter((reason) => reason === "unexpected").length).toBe(100);
    expect(refused).toContain("poisoned");
  });

  test("another's word about this node is answered with its own", () => {
    const { sync, spread, refused } = bench();
    sync.announce(withServices(many(60)));
    expect(spread).toEqual(["tags a"]);
    sync.hear(liar, digest("a", 1_000), 0, false);
    sync.hear(liar, digest("a", 1), 0, false);
    expect([spread.length, refused]).toEqual([2, ["poisoned"]]);
  });

  /** The owner says its digest, and answers what it is asked. */
  const exchange = (owner: ReturnType<typeof bench>, hearer: ReturnType<typeof bench>, now: number) => {
    for (const record of decodeRecords(joinRecords(owner.sync.digests()[0] ?? [])))
      hearer.sync.hear(b, record as TagsRecord, now, false);
    hearer.sync.run(now);
    const pull = hearer.sent.at(-1)?.record;
    if (pull !== undefined) owner.sync.hear("a" as NodeId, pull, now, true);
    const answer = owner.sent.at(-1)?.record as Extract<TagsRecord, { kind: "tags-delta" }>;
    hearer.sync.hear(b, answer, now, true);
    return answer;
  };

  test("a list that grows beyond what a node may have, change by change, is not kept", () => {
    const [owner, hearer] = [bench("b"), bench()];
    owner.sync.announce(withServices(many(1_000)));
    exchange(owner, hearer, 0);
    expect(hearer.sync.whole(b, 7, benchTags).services).toHaveLength(1_000);
    owner.sync.announce(withServices(many(1_100)));
    expect(exchange(owner, hearer, 10_000).changes).toHaveLength(100);
    expect(hearer.refused).toEqual(["tags_contradicted"]);
    expect(hearer.sync.whole(b, 7, benchTags).services).toHaveLength(1_000);
  });

  test("who missed more removals than are remembered gets the whole list at once", () => {
    const [owner, hearer] = [bench("b"), bench()];
    owner.sync.announce(withServices(many(900)));
    exchange(owner, hearer, 0);
    const left = many(900).slice(300);
    owner.sync.announce(withServices(left));
    expect(exchange(owner, hearer, 10_000)).toMatchObject({ since: 0 });
    expect(hearer.sync.whole(b, 7, benchTags).services).toEqual(left);
  });

  test("random changes, lost answers and late questions: whoever asks ends with the owner's list", () => {
    const owner = bench("b");
    const { sync, sent } = bench();
    let seed = 7;
    const random = (below: number): number =>
      (seed = (Math.imul(seed, 48_271) >>> 0) % 2_147_483_647) % below;
    let services = many(80);
    let now = 0;
    for (let round = 0; round < 300; round++) {
      services = [
        ...new Set([...services.filter(() => random(10) > 0), ...many(60 + random(60), `r${random(9)}`)]),
      ];
      owner.sync.announce(withServices(services.slice(0, 1_000)));
      now += 10_000;
      if (random(3) === 0) continue;
      for (const record of decodeRecords(joinRecords(owner.sync.digests()[0] ?? [])))
        sync.hear(b, record as TagsRecord, now, false);
      sync.run(now);
      const pull = sent.at(-1)?.record;
      if (pull?.kind !== "tags-pull" || random(4) === 0) continue;
      owner.sync.hear("a" as NodeId, pull, now, true);
      const answer = owner.sent.at(-1)?.record;
      if (answer) sync.hear(b, answer, now, true);
      expect(sync.whole(b, 7, benchTags).services, `round ${round}`).toEqual(
        services.slice(0, 1_000).toSorted(),
      );
    }
  });
});
