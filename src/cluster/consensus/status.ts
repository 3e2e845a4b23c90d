/** What main is told of a participant, and what a change of members asked by node names means to the core. */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import {
  defaultMember,
  everyone,
  identityOf,
  type Member,
  nodeOf,
  type RaftId,
  raftIdOf,
  roleIn,
} from "../../raft/configuration.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { ConsensusStatus, MemberChange } from "./consensus.ts";

export function statusOf(
  self: RaftId,
  raft: RaftStatus,
  isUp: (node: NodeId) => boolean,
  bootOf: (node: NodeId) => number | null,
  trouble: string | null,
  watched: number,
): ConsensusStatus {
  const { configuration, role, leader, term, commit, applied, last, base, quorum, stopped } = raft;
  const matches = new Map(raft.peers.map((peer) => [peer.id, peer]));
  const members = everyone(configuration).map(({ id, role: part, priority }) => {
    const peer = matches.get(id);
    return {
      node: nodeOf(id),
      role: part,
      priority,
      identity: identityOf(id),
      boot: bootOf(nodeOf(id)),
      contact: id === self || isUp(nodeOf(id)),
      match: id === self ? (role === "leader" ? last : null) : (peer?.match ?? null),
      caughtUp: id === self || (peer?.caughtUp ?? false),
    };
  });
  // A node that takes part anew is there twice while its vote changes hands: once as it was.
  const voters = members.filter((member) => member.role !== "learner");
  const reached = voters.filter(({ contact }) => contact);
  return {
    self: nodeOf(self),
    identity: identityOf(self),
    role,
    standing: roleIn(configuration, self),
    leader: leader === null ? null : nodeOf(leader),
    term,
    commit,
    applied,
    last,
    compacted: base,
    members,
    joint: configuration.outgoing !== null,
    ready: raft.ready,
    quorum,
    votersReached: new Set(reached.map(({ node }) => node)).size,
    voters: new Set(voters.map(({ node }) => node)).size,
    trouble: trouble ?? stopped,
    watched,
  };
}

/** What is worth telling at once; indices are not. */
export function gistOf(status: ConsensusStatus): string {
  const { commit: _commit, applied: _applied, last: _last, compacted: _compacted, members, ...rest } = status;
  return JSON.stringify([rest, members.map(({ match: _match, ...member }) => member)]);
}

/** The members that there shall be. Throws `invalid_argument` or `conflict`. */
export function membersAfter(current: readonly Member[], changes: readonly MemberChange[]): Member[] {
  let members = [...current];
  for (const { node, role, identity, priority } of changes) {
    const known = members.find(({ id }) => nodeOf(id) === node);
    members = members.filter((member) => member !== known);
    if (role === null) {
      if (known === undefined) throw new CaxtonError("conflict", `Node "${node}" takes no part in consensus`);
      continue;
    }
    const id = identity === undefined ? known?.id : raftIdOf(node, identity);
    if (id === undefined)
      throw new CaxtonError("invalid_argument", `Node "${node}" is no member: its raft identity is needed`);
    members.push({ ...defaultMember(id, role), priority: priority ?? known?.priority ?? 1 });
  }
  return members;
}
