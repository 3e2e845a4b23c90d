/** Rows of the SWIM core as the rest of a node sees them, with wall times of this node's own clock. */
import type { NodeId } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { SwimMember } from "../../swim/members.ts";
import type { Swim } from "../../swim/swim.ts";
import type { TagsSync } from "./tags-sync.ts";
import type { Member } from "../membership.ts";

export class MemberViews {
  constructor(
    private readonly self: NodeId,
    private readonly clock: Clock,
    private readonly tags: Pick<TagsSync, "whole">,
  ) {}

  of(member: SwimMember): Member {
    const { id, address, status, incarnation, load } = member;
    const { boot: bootEpoch, counter } = incarnation;
    const tags = this.tags.whole(id, bootEpoch, member.tags);
    const lastSeen_ms = this.#lastSeen_ms(member, this.clock.wall_ms(), this.clock.now_ms());
    return { id, address, status, bootEpoch, incarnation: counter, tags, load, lastSeen_ms };
  }

  /** Of all of them, at one moment. */
  lastSeen(members: Iterable<SwimMember>): (readonly [NodeId, number])[] {
    const [wall_ms, now] = [this.clock.wall_ms(), this.clock.now_ms()];
    const seen: (readonly [NodeId, number])[] = [];
    for (const member of members) seen.push([member.id, this.#lastSeen_ms(member, wall_ms, now)]);
    return seen;
  }

  #lastSeen_ms({ id, heard }: SwimMember, wall_ms: number, now: number): number {
    return id === this.self ? wall_ms : wall_ms - Math.round(now - heard);
  }
}

export function* aliveOthers(swim: Swim, self: NodeId): Iterable<NodeId> {
  for (const { id, status } of swim.members) if (status === "alive" && id !== self) yield id;
}

/** The first one known there. */
export function memberAt(swim: Swim, { host, port }: Address): SwimMember | undefined {
  for (const member of swim.members)
    if (member.address.port === port && member.address.host === host) return member;
  return undefined;
}
