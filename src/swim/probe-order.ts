/**
 * Whom to probe next: every present member once, in an order shuffled anew each round, so that each is
 * probed within 2N − 1 periods (SWIM, section 4.3).
 */
import type { NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { isPresent, type Members, type SwimMember } from "./members.ts";

export class ProbeOrder {
  #round: NodeId[] = [];

  constructor(
    private readonly self: NodeId,
    private readonly prng: Prng,
  ) {}

  /** A newcomer enters the present round at a random place. */
  insert(id: NodeId): void {
    this.#round.splice(this.prng.below(this.#round.length + 1), 0, id);
  }

  /** A known member comes next. */
  hurry(id: NodeId): void {
    this.#round = this.#round.filter((one) => one !== id);
    this.#round.push(id);
  }

  next(members: Members): SwimMember | undefined {
    for (let fresh = false; ; fresh = true) {
      for (let id = this.#round.pop(); id !== undefined; id = this.#round.pop()) {
        const member = members.get(id);
        if (member && member.id !== this.self && isPresent(member)) return member;
      }
      if (fresh) return undefined;
      this.#round = this.prng.shuffle([...members.all()].map((member) => member.id));
    }
  }
}
