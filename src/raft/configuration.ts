/**
 * Who takes part. A configuration is a plain value that travels in the log as an entry and counts from the
 * moment it is appended (Ongaro, dissertation, section 4.1). While it is joint (4.3), `outgoing` holds the whole
 * previous list, and every decision needs a majority of both. How it changes is in `membership.ts`.
 */
import type { NodeId } from "../base/ids.ts";
import { assert } from "../base/assert.ts";

declare const brand: unique symbol;
/** A participant: a node together with one log. A node that lost its log comes back as another participant. */
export type RaftId = string & { readonly [brand]: "RaftId" };

const separator = "#";

/** `identity` is the boot epoch in which the node's log began. */
export function raftIdOf(node: NodeId, identity: number): RaftId {
  return `${node}${separator}${identity}` as RaftId;
}

export function nodeOf(id: RaftId): NodeId {
  return id.slice(0, id.lastIndexOf(separator)) as NodeId;
}

export function identityOf(id: RaftId): number {
  return Number(id.slice(id.lastIndexOf(separator) + 1));
}

/** A witness votes, and keeps indices and terms but no commands; a learner receives everything and never votes. */
export type MemberRole = "voter" | "learner" | "witness";

export interface Member {
  readonly id: RaftId;
  readonly role: MemberRole;
  /** Among voters that could lead, those of less than the highest priority wait longer before they campaign. */
  readonly priority: number;
}

export interface Configuration {
  readonly members: readonly Member[];
  /** The previous members while the configuration is joint; null otherwise. */
  readonly outgoing: readonly Member[] | null;
}

/** `index` is that of the entry that holds it; at the base of a compacted log it may lie before the base. */
export interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

export const noConfiguration: Configuration = { members: [], outgoing: null };

/** Bounds of what is decoded or proposed. */
export const membersLimit = 1_024;
export const votersLimit = 9;
export const priorityLimit = 255;

export function defaultMember(id: RaftId, role: MemberRole): Member {
  return { id, role, priority: 1 };
}

/** Voters and witnesses of one list. */
export function votersOf(members: readonly Member[]): RaftId[] {
  return members.filter(({ role }) => role !== "learner").map(({ id }) => id);
}

/** Everyone that a leader replicates to, without repetition, new members first. */
export function everyone(configuration: Configuration): Member[] {
  const { members, outgoing } = configuration;
  if (outgoing === null) return [...members];
  return [...members, ...outgoing.filter(({ id }) => !members.some((member) => member.id === id))];
}

/** The role by which `id` takes part; of a joint configuration the one with more say. Null for a stranger. */
export function roleIn(configuration: Configuration, id: RaftId): MemberRole | null {
  const now = configuration.members.find((member) => member.id === id)?.role;
  const before = configuration.outgoing?.find((member) => member.id === id)?.role;
  if (now === "learner" && before !== undefined) return before;
  return now ?? before ?? null;
}

/** Whether `id` votes in either list. */
export function votes(configuration: Configuration, id: RaftId): boolean {
  const role = roleIn(configuration, id);
  return role === "voter" || role === "witness";
}

/** Among several configurations in order of their indices the one that counts at `index`. */
export function configurationAt(all: readonly ConfigurationAt[], index: number): Configuration {
  let found = noConfiguration;
  for (const { index: at, configuration } of all) if (at <= index) found = configuration;
  return found;
}

export function assertAscending(all: readonly ConfigurationAt[]): void {
  for (let i = 1; i < all.length; i++)
    assert(
      (all[i - 1]?.index ?? 0) < (all[i]?.index ?? 0),
      "configurations are in the order of their indices",
    );
}
