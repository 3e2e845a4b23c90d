import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { ConsensusStatus, MemberRole } from "../../../../src/cluster/consensus/consensus.ts";
import { rebuild_ms, StateRebuilding } from "../../../../src/node/operator/state-rebuilding.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const self = "node-1" as NodeId;
const other = "node-2" as NodeId;

/** Node-1 as its raft thread tells of it: what becomes of it after it was told to begin anew is the test's. */
function world(roles: Partial<Record<string, MemberRole>> = { [self]: "voter", [other]: "voter" }) {
  const clock = new VirtualClock();
  const network = new MemoryPeersNetwork(clock);
  const told: string[] = [];
  const state = {
    roles: { ...roles },
    identity: 5,
    leader: other as NodeId | null,
    applied: 40,
    commit: 40,
    safe: true,
    catchesUp: true,
  };
  const status = (): ConsensusStatus => {
    const { identity, leader, applied, commit } = state;
    const members = Object.entries(state.roles).map(([node, role]) => ({ node, role }));
    return {
      identity,
      leader,
      applied,
      commit,
      members,
      standing: state.roles[self] ?? null,
      trouble: null,
    } as unknown as ConsensusStatus;
  };
  const make = (node: NodeId): StateRebuilding =>
    new StateRebuilding({
      self: node,
      consensus: {
        status,
        rebuild: () => {
          told.push("rebuild");
          if (!state.catchesUp) return;
          Object.assign(state, { identity: 6, applied: 0 });
          clock.after(500, () => Object.assign(state, { applied: 41, commit: 41 }));
        },
      },
      votes: {
        mayGo: () => Promise.resolve({ safe: state.safe, why: "1 of 2 voters is well" }),
        giveAway: () => {
          told.push("vote given away");
          state.roles[self] = "learner";
          return Promise.resolve();
        },
      },
      peers: network.join(node),
      clock,
      refresh: () => {
        told.push("read again");
        return Promise.resolve();
      },
    });
  const at = new Map([self, other].map((node) => [node, make(node)]));
  const rebuild = async (from: NodeId, node: NodeId): Promise<unknown> => {
    const running = (at.get(from) as StateRebuilding).rebuild(node).then(
      (done) => ({ done }),
      (error: unknown) => ({ error }),
    );
    let ended: { readonly done?: unknown; readonly error?: unknown } | undefined;
    void running.then((result) => (ended = result));
    await clock.runUntilSettled(() => ended !== undefined, rebuild_ms + 10_000);
    if (ended?.error !== undefined) throw ended.error as Error;
    return ended?.done;
  };
  /** Why it was refused: awaited before it is looked at, since `bun test` spins in `expect(…).rejects`. */
  const refusal = async (from: NodeId, node: NodeId): Promise<unknown> => {
    try {
      await rebuild(from, node);
    } catch (error) {
      return error;
    }
    throw new Error("It was done");
  };
  return { clock, state, told, rebuild, refusal };
}

describe("a rebuild", () => {
  it("gives the vote away first, begins anew, and ends when everything is there", async () => {
    const { rebuild, told } = world();
    expect(await rebuild(self, self)).toMatchObject({ node: self, index: 41 });
    expect(told).toEqual(["vote given away", "rebuild", "read again"]);
  });

  it("may be asked of any node", async () => {
    const { rebuild, told } = world();
    expect(await rebuild(other, self)).toMatchObject({ node: self, index: 41 });
    expect(told).toContain("rebuild");
  });

  it("leaves a learner's peers alone: it has no vote to give", async () => {
    const { rebuild, told } = world({ [self]: "learner", [other]: "voter" });
    await rebuild(self, self);
    expect(told).toEqual(["rebuild", "read again"]);
  });

  it("does not touch the data where the cluster would lose its quorum", async () => {
    const { refusal, told, state } = world();
    state.safe = false;
    expect(String(await refusal(self, self))).toContain("lose its quorum: 1 of 2 voters is well");
    state.leader = null;
    expect(await refusal(self, self)).toMatchObject({ code: "no_quorum" });
    expect(told).toEqual([]);
  });

  it.each<[string, Partial<Record<string, MemberRole>>, string]>([
    ["the only node that has the state", { [self]: "voter" }, "alone has the state"],
    ["one whose only peer is a witness", { [self]: "voter", [other]: "witness" }, "alone has the state"],
    ["a witness", { [self]: "witness", [other]: "voter" }, "keeps no state"],
    ["a node without a part in consensus", { [other]: "voter" }, "takes no part in consensus"],
  ])("is refused of %s", async (_what, roles, words) => {
    const { refusal, told } = world(roles);
    expect(String(await refusal(self, self))).toContain(words);
    expect(told).toEqual([]);
  });

  it("that does not catch up says so in the end, and is not reported as done", async () => {
    const { refusal, state } = world();
    state.catchesUp = false;
    const why = await refusal(self, self);
    expect(why).toBeInstanceOf(CaxtonError);
    expect(why).toMatchObject({ code: "timeout" });
  });
});
