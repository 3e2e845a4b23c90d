import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { Member, MemberStatus } from "../../../../src/cluster/membership.ts";
import { Departures, type DeparturesOptions } from "../../../../src/node/operator/departures.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const id = (name: string): NodeId => name as NodeId;
const leaving = { drain_timeout_ms: 0, handOver: true, force: false };

/** `n1` as its node sees the others, and its vote. */
class Leaver {
  readonly shutdowns: boolean[] = [];
  readonly removed: string[] = [];
  /** What was written to the log, and when: before how many were told. */
  readonly decided: string[] = [];
  readonly members = new Map<NodeId, MemberStatus>();
  readonly roles = new Map<NodeId, "voter" | "learner" | "witness">();
  given = 0;
  boot = 7;
  /** While its removal is decided. */
  restarts = false;
  quorum = true;
  undecided: CaxtonError | null = null;
  /** Why the vote cannot be given away; null when it can. */
  kept: string | null = null;
  mayGo: { safe: boolean; why: string } | CaxtonError = { safe: true, why: "2 of 2" };
  readonly network = new MemoryPeersNetwork(new VirtualClock());
  readonly departures: Departures;

  constructor(...names: readonly string[]) {
    for (const name of ["n1", ...names]) {
      this.members.set(id(name), "alive");
      this.roles.set(id(name), "voter");
    }
    const list = (): readonly Member[] =>
      [...this.members].map(([node, status]) => ({ id: node, status, bootEpoch: this.boot }) as Member);
    const status = () => ({
      quorum: this.quorum,
      members: [...this.roles].map(([node, role]) => ({ node, role })),
    });
    this.departures = new Departures({
      self: id("n1"),
      membership: {
        members: list,
        member: (node) => list().find((member) => member.id === node),
        remove: (node, boot) => void this.removed.push(`${node} ${boot}`),
      },
      peers: this.network.join(id("n1")),
      consensus: { status } as unknown as DeparturesOptions["consensus"],
      votes: {
        giveAway: async () => {
          await Promise.resolve();
          if (this.kept !== null) throw new CaxtonError("conflict", this.kept);
          this.given++;
        },
        mayGo: async () => {
          await Promise.resolve();
          if (this.mayGo instanceof CaxtonError) throw this.mayGo;
          return this.mayGo;
        },
      },
      removals: {
        decide: async (node, boot) => {
          await Promise.resolve();
          if (this.undecided !== null) throw this.undecided;
          this.decided.push(`${node} ${boot} before ${this.removed.length + 1}`);
          this.boot += this.restarts ? 1 : 0;
        },
      },
      shutdown: (_drain, handOver) => void this.shutdowns.push(handOver),
    });
  }
}

describe("a node that is to leave", () => {
  test("gives its vote away, then goes", async () => {
    const leaver = new Leaver("n2", "n3");
    await leaver.departures.leave(id("n1"), leaving);
    expect([leaver.given, leaver.shutdowns]).toEqual([1, [true]]);
  });

  test("stays where the others would lose their quorum, and says what to do", async () => {
    const leaver = new Leaver("n2", "n3");
    leaver.members.set(id("n3"), "left");
    leaver.kept = "1 of the 2 voters that would be left is well";
    leaver.mayGo = { safe: false, why: "1 of the other 2 voters is well, 2 are needed" };
    await expect(leaver.departures.leave(id("n1"), leaving)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/lose its quorum: 1 of the other.*--force/) as string,
    });
    expect(leaver.shutdowns).toEqual([]);
    await leaver.departures.leave(id("n1"), { ...leaving, force: true });
    expect(leaver.shutdowns).toEqual([true]);
  });

  test("stays where nobody leads who could tell", async () => {
    const leaver = new Leaver("n2", "n3");
    leaver.kept = "No leader is known";
    leaver.mayGo = new CaxtonError("no_quorum", "No leader is known that could decide about votes");
    await expect(leaver.departures.leave(id("n1"), leaving)).rejects.toThrow("No leader is known");
    expect(leaver.shutdowns).toEqual([]);
  });

  test("stays when another node asked for it", async () => {
    const leaver = new Leaver("n2", "n3");
    leaver.kept = "no";
    leaver.mayGo = { safe: false, why: "needed" };
    const asker = leaver.network.join(id("n2"));
    const ask = async (words: string): Promise<Uint8Array> =>
      await asker.request(id("n1"), "cluster.leave", new TextEncoder().encode(words));
    await expect(ask("0 handing-over")).rejects.toThrow("needed");
    expect(leaver.shutdowns).toEqual([]);
    await ask("0 handing-over forced");
    expect(leaver.shutdowns).toEqual([true]);
  });

  test("goes with its vote where a quorum stays all the same, as beside a witness", async () => {
    const leaver = new Leaver("n2", "n3");
    leaver.roles.set(id("n3"), "witness");
    leaver.kept = "the cluster has a witness, and needs both of its data nodes";
    await leaver.departures.leave(id("n1"), leaving);
    expect(leaver.shutdowns).toEqual([true]);
    const witness = new Leaver("n2", "n3");
    witness.roles.set(id("n1"), "witness");
    witness.mayGo = { safe: false, why: "needed" };
    await expect(witness.departures.leave(id("n1"), leaving)).rejects.toThrow("needed");
  });

  test("that is alone ends its cluster, which is no news", async () => {
    const leaver = new Leaver();
    leaver.kept = "n1 is the only voter";
    leaver.mayGo = { safe: false, why: "n1 is the only voter" };
    await leaver.departures.leave(id("n1"), leaving);
    expect([leaver.given, leaver.shutdowns]).toEqual([0, [true]]);
  });

  test("that only stops is never refused", async () => {
    const leaver = new Leaver("n2");
    leaver.kept = "needed";
    leaver.mayGo = { safe: false, why: "needed" };
    await leaver.departures.leave(id("n1"), { ...leaving, handOver: false });
    expect(leaver.shutdowns).toEqual([false]);
  });
});

describe("a node that is to be removed", () => {
  test("is none of a minority's business", async () => {
    const leaver = new Leaver("n2");
    leaver.members.set(id("n2"), "failed");
    leaver.quorum = false;
    for (const force of [true, false])
      await expect(leaver.departures.remove(id("n2"), force)).rejects.toMatchObject({
        code: "no_quorum",
        exit: 7,
      });
    expect(leaver.removed).toEqual([]);
  });

  test("is spared while it lives, unless forced, and while its vote is needed", async () => {
    const leaver = new Leaver("n2", "n3");
    await expect(leaver.departures.remove(id("n2"), false)).rejects.toThrow("remove it with --force");
    leaver.mayGo = { safe: false, why: "needed" };
    await expect(leaver.departures.remove(id("n2"), true)).rejects.toThrow("lose its quorum: needed");
    leaver.mayGo = { safe: true, why: "" };
    await leaver.departures.remove(id("n2"), true);
    expect([leaver.given, leaver.removed]).toEqual([1, ["n2 7"]]);
    leaver.members.set(id("n3"), "failed");
    await leaver.departures.remove(id("n3"), false);
    expect([leaver.given, leaver.removed]).toEqual([1, ["n2 7", "n3 7"]]);
    expect(leaver.decided).toEqual(["n2 7 before 1", "n3 7 before 2"]);
  });

  test("is ended in the life that the log says, though it started again meanwhile", async () => {
    const leaver = new Leaver("n2");
    leaver.members.set(id("n2"), "failed");
    leaver.restarts = true;
    await leaver.departures.remove(id("n2"), false);
    expect([leaver.boot, leaver.decided, leaver.removed]).toEqual([8, ["n2 7 before 1"], ["n2 7"]]);
  });

  test("stays a member where the log did not take it", async () => {
    const leaver = new Leaver("n2");
    leaver.members.set(id("n2"), "failed");
    leaver.undecided = new CaxtonError("timeout", "no answer");
    await expect(leaver.departures.remove(id("n2"), false)).rejects.toThrow("no answer");
    expect(leaver.removed).toEqual([]);
  });
});
