/** What this node says of itself: several parts of the node write in it, and it is spread as a whole. */
import type { Membership, NodeTags } from "../cluster/membership.ts";

export class OwnTags {
  #tags: NodeTags;

  constructor(
    private readonly membership: Pick<Membership, "setTags">,
    tags: NodeTags,
  ) {
    this.#tags = tags;
  }

  get current(): NodeTags {
    return this.#tags;
  }

  set(changed: Partial<NodeTags>): void {
    this.#tags = { ...this.#tags, ...changed };
    this.membership.setTags(this.#tags);
  }
}
