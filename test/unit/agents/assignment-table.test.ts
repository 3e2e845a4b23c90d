import { afterEach, describe, expect, test } from "vitest";
import { encodeSpec } from "../../../src/agents/agent-requests.ts";
import { AssignedRoutes } from "../../../src/agents/assigned-routes.ts";
import { AssignmentTable } from "../../../src/agents/assignment-table.ts";
import { keepersOf } from "../../../src/agents/module-keepers.ts";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { AssignmentStore } from "../../../src/control/assignment-store.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import { testSpec } from "../../support/agent-specs.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";

const agent = (name: string) => name as AgentName;
const node = (id: string) => id as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

function world() {
  const clock = new VirtualClock();
  const consensus = new SingleNodeConsensus();
  const store = new AssignmentStore(new ControlClient(consensus, clock, () => 1_000));
  const failures: string[] = [];
  const follow = (): AssignmentTable =>
    new AssignmentTable(store, consensus, clock, (what, reason) => void failures.push(`${what}: ${reason}`));
  const table = follow();
  opened.push(() => {
    table.close();
    consensus.state.close();
  });
  const put = (name: string, to: string, spec = encodeSpec(testSpec(name))) =>
    store.put(
      {
        agent: agent(name),
        node: node(to),
        expected: null,
        revision: 1,
        above: 0,
        cause: "deployed",
        continues: 0,
        suspended: false,
        spec,
      },
      "",
    );
  return { clock, consensus, store, table, follow, failures, put };
}

describe("a node's copy of the assignments", () => {
  test("follows by itself, and tells whose assignment changed", async () => {
    const { table, put, store } = world();
    const told: string[][] = [];
    table.subscribe((changed) => void told.push([...changed]));
    const epoch = await put("a", "n1");
    await put("b", "n2");
    await table.refresh();
    expect(table.get(agent("a"))).toMatchObject({
      node: "n1",
      epoch,
      spec: { name: "a", epoch, revision: 1 },
    });
    expect([...table.of(node("n1"))]).toEqual(["a"]);
    await store.remove({ agent: agent("a"), expected: null }, "");
    await table.refresh();
    expect(table.get(agent("a"))).toBeUndefined();
    expect([table.wasRemoved(agent("a")), table.wasRemoved(agent("c"))]).toEqual([true, false]);
    expect([...table.owners()]).toEqual(["n2"]);
    expect(new Set(told.flat())).toEqual(new Set(["a", "b"]));
  });

  test("finds out when it missed more removals than are told", async () => {
    const { clock, consensus, put, store } = world();
    const silent: Pick<AssignmentStore, "since"> = {
      since: async (changed, consistency) => ({ ...(await store.since(changed, consistency)), removed: [] }),
    };
    const table = new AssignmentTable(silent, consensus, clock, () => undefined);
    opened.push(() => table.close());
    for (const name of ["a", "b", "c"]) await put(name, "n1");
    await table.refresh();
    await store.remove({ agent: agent("a"), expected: null }, "");
    await table.refresh();
    expect([...table.all()].map(({ agent: name }) => name)).toEqual(["b", "c"]);
    expect(table.wasRemoved(agent("a"))).toBe(true);
  });

  test("misses nothing that is decided while it reads for somebody else", async () => {
    const { clock, consensus, put, store } = world();
    const held: (() => void)[] = [];
    let hold = false;
    const slow: Pick<AssignmentStore, "since"> = {
      since: async (changed, consistency) => {
        const page = await store.since(changed, consistency);
        if (hold) await new Promise<void>((resolve) => held.push(resolve));
        return page;
      },
    };
    const table = new AssignmentTable(slow, consensus, clock, () => undefined);
    opened.push(() => table.close());
    hold = true;
    const reading = table.refresh("linearizable");
    for (let i = 0; i < 20; i++) await Promise.resolve();
    hold = false;
    await put("late", "n1");
    for (const release of held) release();
    await reading;
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(table.get(agent("late"))?.node).toBe("n1");
  });

  test("an agent whose specification cannot be read is kept apart, said once, and read anew only when it changed", async () => {
    const { consensus, clock, store, put } = world();
    const asked: number[] = [];
    const counted: Pick<AssignmentStore, "since"> = {
      since: (changed, consistency) => {
        asked.push(changed);
        return store.since(changed, consistency);
      },
    };
    const failures: string[] = [];
    const table = new AssignmentTable(counted, consensus, clock, (what) => void failures.push(what));
    opened.push(() => table.close());
    const epoch = await put("odd", "n1", encodeUtf8("{}"));
    await put("a", "n1");
    await table.refresh();
    asked.length = 0;
    for (let i = 0; i < 3; i++) await table.refresh();
    expect([...table.all()].map(({ agent: name }) => name)).toEqual(["a"]);
    expect([...table.of(node("n1"))]).toEqual(["a"]);
    expect(table.unreadable(agent("odd"))).toMatchObject({ node: "n1", epoch, revision: 1 });
    expect(failures).toEqual(['read the specification of agent "odd"']);
    expect(asked).not.toContain(0);
    await store.remove({ agent: agent("odd"), expected: null }, "");
    await table.refresh();
    expect([table.unreadable(agent("odd")), table.wasRemoved(agent("odd"))]).toEqual([undefined, true]);
  });

  test("a specification that no node could read back is not proposed", () => {
    const spec = testSpec("a");
    const limits = { ...spec.limits, fuel: 1e12 };
    expect(() => encodeSpec({ ...spec, limits })).toThrow(
      'Agent "a" cannot be as it is specified: limits.fuel: ',
    );
  });

  test("tries again after a read that failed", async () => {
    const { clock, consensus, table, put, failures } = world();
    const query = consensus.state.query.bind(consensus.state);
    let broken = true;
    consensus.state.query = (bytes) => {
      if (broken) throw new Error("the disk hangs");
      return query(bytes);
    };
    await put("a", "n1");
    for (let i = 0; i < 20; i++) await Promise.resolve();
    expect(failures.length).toBeGreaterThan(0);
    broken = false;
    clock.advance(1_000);
    for (let i = 0; i < 50; i++) await Promise.resolve();
    expect(table.size).toBe(1);
  });
});

describe("where a message goes", () => {
  test("to the owner of the highest epoch that is known, by whomever", async () => {
    const { table, put } = world();
    const membership = new MembershipTable(node("n1"), [node("n2"), node("n3")]);
    const routes = new AssignedRoutes(membership, table);
    membership.host("a", node("n3"));
    expect(routes.locate(agent("a"))?.node).toBe("n3");
    const epoch = await put("a", "n1");
    await put("b", "n2");
    await table.refresh();
    expect(epoch).toBeGreaterThan(1);
    expect(routes.locate(agent("a"))).toMatchObject({ node: "n1", epoch, status: "starting" });
    expect(routes.stale).toBe(1);
    expect(routes.locate(agent("b"))?.node).toBe("n2");
    expect(routes.locate(agent("c"))).toBeUndefined();
    const module = "0".repeat(64) as ModuleHash;
    membership.tell({
      agent: agent("a"),
      node: node("n2"),
      epoch: epoch + 5,
      revision: 1,
      status: "running",
      module,
    });
    expect(routes.locate(agent("a"))?.node).toBe("n2");
  });
});

describe("mail that waits for an agent", () => {
  test("is told of its new owner by the assignments, without gossip", async () => {
    const { table, put } = world();
    const routes = new AssignedRoutes(new MembershipTable(node("n1"), [node("n2")]), table);
    const told: string[] = [];
    const end = routes.subscribe((event) => {
      if (event.kind === "directory")
        for (const { agent: name, node: at, status } of event.changed) told.push(`${name} ${at} ${status}`);
    });
    await put("a", "n2");
    await table.refresh();
    expect(told).toEqual(["a n2 starting"]);
    end();
    await put("b", "n2");
    await table.refresh();
    expect(told).toHaveLength(1);
  });
});

describe("who keeps copies of a module", () => {
  const nodes = Array.from({ length: 20 }, (_, i) => node(`node-${i}`));
  const hashes = Array.from({ length: 200 }, (_, i) => i.toString(16).padStart(64, "0") as ModuleHash);

  test("three, the same whoever asks in whatever order, and everybody about as many", () => {
    const counts = new Map<string, number>();
    for (const hash of hashes) {
      const keepers = keepersOf(hash, nodes);
      expect(new Set(keepers).size).toBe(3);
      expect(keepersOf(hash, nodes.toReversed())).toEqual(keepers);
      for (const keeper of keepers) counts.set(keeper, (counts.get(keeper) ?? 0) + 1);
    }
    expect(counts.size).toBe(20);
    expect(Math.max(...counts.values())).toBeLessThan(75);
  });

  test("a node that goes changes those of its own modules alone", () => {
    const gone = nodes[7];
    for (const hash of hashes) {
      const before = keepersOf(hash, nodes);
      const after = keepersOf(
        hash,
        nodes.filter((each) => each !== gone),
      );
      expect(after.filter((each) => !before.includes(each)).length).toBe(
        before.some((each) => each === gone) ? 1 : 0,
      );
    }
  });
});
