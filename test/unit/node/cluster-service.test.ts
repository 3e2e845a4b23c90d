import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import type { LeaseStats } from "../../../src/cluster/leases/node-lease.ts";
import type { Member, MemberStatus } from "../../../src/cluster/membership.ts";
import { type ClusterServiceOptions, NodeCluster } from "../../../src/node/cluster-service.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";

const id = (name: string): NodeId => name as NodeId;

/** What `n1`, which leads, says of its cluster. */
class Teller {
  readonly clock = new VirtualClock();
  readonly members: Member[] = [];
  readonly parts = new Set<NodeId>();
  /** Of those that are no voters. */
  readonly roles = new Map<string, string>();
  /** The nodes that were compared last. */
  compared: readonly NodeId[] = [];
  quorum = true;
  /** Nodes that the leader does not hear. */
  unheard: NodeId[] = [];
  readonly partition = { minority: false, action: null };
  readonly lease: { held: boolean; refused: LeaseStats["refused"] } = { held: false, refused: null };
  readonly service: NodeCluster;

  constructor() {
    for (const name of ["n1", "n2", "n3"]) {
      this.seen(name);
      this.parts.add(id(name));
    }
    const status = () => ({
      ...{ self: id("n1"), leader: id("n1"), term: 2, quorum: this.quorum, role: "leader" },
      members: [...this.parts].map((node) => ({ node, role: this.roles.get(node) ?? "voter" })),
    });
    const options: Partial<ClusterServiceOptions> = {
      ...{ self: id("n1"), cluster: "c", clock: this.clock, startedAt_ms: 0 },
      ...{ uuid: () => "u", waitsFor: () => null, alone: () => null, queuedWrites: () => 0 },
      peers: new MemoryPeersNetwork(this.clock).join(id("n1")),
      membership: {
        members: () => this.members,
        member: (node: NodeId) => this.members.find((member) => member.id === node),
      } as unknown as ClusterServiceOptions["membership"],
      consensus: { status } as unknown as ClusterServiceOptions["consensus"],
      partition: this.partition,
      lease: { stats: this.lease } as unknown as ClusterServiceOptions["lease"],
      comparer: {
        compare: (nodes: readonly NodeId[]) => {
          this.compared = nodes;
          return Promise.resolve({ index: 1, nodes: [], difference: null });
        },
      } as unknown as ClusterServiceOptions["comparer"],
      modes: { isolated: new Set(), shedPercentage: 0 } as unknown as ClusterServiceOptions["modes"],
      unheard: { has: (node) => this.unheard.includes(node), list: () => this.#words() },
      safeToStop: () => ({ safe: true, why: "2 of the other 2 voters are well, 2 are needed" }),
    };
    this.service = new NodeCluster(options as ClusterServiceOptions);
  }

  #words(): ReturnType<ClusterServiceOptions["unheard"]["list"]> {
    return this.unheard.map((node) => ({ node, by: id("n1"), since_ms: 0 }));
  }

  seen(name: string, status: MemberStatus = "alive", bootEpoch = 1): void {
    const others = this.members.filter(({ id: known }) => known !== name);
    const member = { id: id(name), status, bootEpoch, tags: { raft: { role: "voter" } } };
    this.members.splice(0, this.members.length, ...others, member as Member);
  }
}

describe("the status of a cluster", () => {
  test("names whom the leader does not hear", async () => {
    const teller = new Teller();
    teller.clock.advance(60_000);
    teller.unheard = [id("n2")];
    expect(await teller.service.status()).toMatchObject({
      status: "DEGRADED (the leader does not hear n2)",
      operations: "READ-WRITE",
      unheard: [{ node: "n2", by: "n1" }],
    });
  });

  test("says why the node that is asked has no lease, where the leader said so", async () => {
    const teller = new Teller();
    expect(await teller.service.status()).toMatchObject({ lease: { held: false, why: null } });
    teller.lease.refused = { leader: id("n2"), why: "given_away", ttl_ms: 2_000 };
    expect(await teller.service.status()).toMatchObject({
      lease: { held: false, why: "the leader (n2) is giving its agents to others" },
    });
  });

  test("says that writes are queued once they are, and before that, that they wait", async () => {
    const teller = new Teller();
    const told = async () => {
      const { status, operations } = await teller.service.status();
      return [status.split(" ")[0], operations];
    };
    teller.quorum = false;
    expect(await told()).toEqual(["UNDECIDED", "WRITES-WAIT"]);
    teller.partition.minority = true;
    expect(await told()).toEqual(["DEGRADED", "READ-ONLY"]);
    teller.quorum = true;
    expect(await told()).toEqual(["DEGRADED", "READ-ONLY"]);
    teller.partition.minority = false;
    expect(await told()).toEqual(["HEALTHY", "READ-WRITE"]);
  });

  test("is not healthy where a member that runs takes no part in consensus, unless it has just come", async () => {
    const teller = new Teller();
    teller.clock.advance(60_000);
    expect(await teller.service.status()).toMatchObject({ status: "HEALTHY (majority partition)" });
    teller.parts.delete(id("n3"));
    expect(await teller.service.status()).toMatchObject({
      status: "DEGRADED (n3 takes no part in consensus)",
      operations: "READ-WRITE",
    });
    teller.seen("n3", "alive", teller.clock.wall_ms() - 1_000);
    expect(await teller.service.status()).toMatchObject({ status: "HEALTHY (majority partition)" });
    teller.seen("n3", "failed");
    expect(await teller.service.status()).toMatchObject({
      status: "HEALTHY (majority partition)",
      nodes_active: 2,
    });
  });
});

describe("a witness", () => {
  test("has no lease to tell of: it runs no agents", async () => {
    const teller = new Teller();
    expect((await teller.service.status()).lease).toMatchObject({ held: false });
    teller.roles.set("n1", "witness");
    expect((await teller.service.status()).lease).toBeNull();
  });
});

describe("comparing replicas", () => {
  test("asks those that have one, and nobody who gave its vote away and left", async () => {
    const teller = new Teller();
    teller.roles.set("n2", "learner").set("n3", "witness");
    await teller.service.compareState();
    expect(teller.compared).toEqual(["n1", "n2"]);
    teller.seen("n2", "left");
    await teller.service.compareState();
    expect(teller.compared).toEqual(["n1"]);
    // A voter that only stopped is missed.
    teller.roles.delete("n2");
    await teller.service.compareState();
    expect(teller.compared).toEqual(["n1", "n2"]);
  });

  test("is refused without a quorum, which says so", async () => {
    const teller = new Teller();
    teller.quorum = false;
    await expect(teller.service.compareState()).rejects.toMatchObject({
      code: "no_quorum",
      message: expect.stringContaining("caxton cluster detect-partition") as string,
    });
    expect(teller.compared).toEqual([]);
  });
});

describe("the leader", () => {
  test("says who may be stopped of those that run", () => {
    const teller = new Teller();
    teller.seen("n3", "failed");
    const may = teller.service.leader().members.map(({ node, stoppable }) => [node, stoppable?.safe ?? null]);
    expect(may).toEqual([
      ["n1", true],
      ["n2", true],
      ["n3", null],
    ]);
  });

  test("cannot become a node that is unknown", async () => {
    const teller = new Teller();
    await expect(teller.service.transferLeadership(id("nobody"))).rejects.toMatchObject({
      code: "node_not_found",
      exit: 5,
    });
  });
});
