/**
 * Who has greeted, with which log and in which boot. Only then are its messages heard: an old copy of a disk must
 * not vote with those who know better. A boot is known from a greeting, and from the control state, where the leader
 * writes down each node's within seconds. Where only such are left as neither heard of a later boot nor have applied
 * the record of it, nobody knows better: that is the limit of the rule, and why a backup of a whole cluster is
 * restored into an empty one only.
 */
import type { NodeId } from "../../base/ids.ts";
import { identityOf, nodeOf, type RaftId, raftIdOf } from "../../raft/configuration.ts";
import type { RaftBoots } from "../../store/raft-boots.ts";
import { decodeGreeting, encodeGreeting } from "../../wire/raft-greeting.ts";

/** Above any number of members. */
const greetedLimit = 4_096;

export interface GreetingsOptions {
  readonly boots: RaftBoots;
  /** Who greeted an earlier driver of this process: on a link that stays up nobody greets again. */
  readonly heard: ReadonlyMap<RaftId, number>;
  /** The highest boot of a node that the cluster has written down; 0 where none is known here. */
  readonly registered: (node: NodeId) => number;
  readonly send: (node: NodeId, bytes: Uint8Array) => void;
  /** Somebody greeted, perhaps for the first time. */
  readonly greeted: () => void;
  /** This node's own log is an old copy: somebody has heard of a later boot. */
  readonly outdated: (detail: string) => void;
}

export class Greetings {
  /** The participants that have greeted, and the boot that they did it in. */
  readonly #greeted = new Map<RaftId, number>();
  /** What those were told whose log is an old copy, for the case that this node's own link to them was not up yet. */
  readonly #told = new Map<NodeId, Uint8Array>();

  constructor(private readonly options: GreetingsOptions) {
    for (const [participant, boot] of options.heard) {
      options.boots.see(participant, boot);
      this.#greeted.set(participant, boot);
    }
  }

  get heard(): ReadonlyMap<RaftId, number> {
    return this.#greeted;
  }

  /** To be said first on each link. */
  greet(node: NodeId): void {
    const { boots, send } = this.options;
    const { boot, previous, self } = boots;
    send(
      node,
      encodeGreeting({ kind: "greeting", identity: identityOf(self), boot, previousBoot: previous }),
    );
    const told = this.#told.get(node);
    if (told !== undefined) send(node, told);
  }

  /** Nodes that want answers, members or not: a fresh learner knows of no members. */
  get nodes(): readonly NodeId[] {
    return [...this.#greeted.keys()].map((id) => nodeOf(id));
  }

  /** The boot in which that node has greeted; null: it has not. */
  bootOf(node: NodeId): number | null {
    for (const [participant, boot] of this.#greeted) if (nodeOf(participant) === node) return boot;
    return null;
  }

  has(participant: RaftId): boolean {
    return this.#greeted.has(participant);
  }

  /** Whether a hint about this boot of a node is about the life that was last heard of. Null: nobody knows. */
  isCurrent(participant: RaftId, boot: number | null): boolean {
    const known = this.#greeted.get(participant);
    return boot === null || known === undefined || boot >= known;
  }

  /**
   * `failed`: nothing may be written any more. What is heard then counts for the driver that takes this one's place.
   * Throws `WireError`, and what writing throws.
   */
  receive(from: NodeId, bytes: Uint8Array, failed: boolean): void {
    const { boots, registered, send, outdated, greeted } = this.options;
    const said = decodeGreeting(bytes);
    if (said.kind === "outdated") {
      const own = said.identity === identityOf(boots.self);
      const { seenBoot } = said;
      if (own && seenBoot > boots.previous && seenBoot < boots.boot)
        outdated(
          `Node ${from} has heard of boot ${seenBoot} of this node, and its Raft log was last opened in ${boots.previous}`,
        );
      return;
    }
    const participant = raftIdOf(from, said.identity);
    const written = registered(from);
    // Of a life before this log began it says nothing.
    const seen = Math.max(boots.seen(participant), written >= said.identity ? written : 0);
    if (said.boot < seen) return;
    if (said.previousBoot < seen && seen < said.boot) {
      this.#greeted.delete(participant);
      const told = encodeGreeting({ kind: "outdated", identity: said.identity, seenBoot: seen });
      if (this.#told.size < greetedLimit) this.#told.set(from, told);
      send(from, told);
      return;
    }
    this.#told.delete(from);
    // One log a node: its earlier one is gone.
    for (const id of this.#greeted.keys()) if (nodeOf(id) === from) this.#greeted.delete(id);
    this.#greeted.set(participant, said.boot);
    for (const oldest of this.#greeted.keys()) {
      if (this.#greeted.size <= greetedLimit) break;
      this.#greeted.delete(oldest);
    }
    if (failed) return;
    boots.see(participant, said.boot);
    greeted();
  }
}
