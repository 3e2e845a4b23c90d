/**
 * What would make two nodes act for one agent, as patches of our own sources. Played over worlds of leases each must be
 * caught. A patch whose text is no longer there fails its test, so the table cannot rot unnoticed.
 */
import type { Patch, Tried } from "../support/patched-tree.ts";

export interface LeaseSeededBug extends Patch, Tried {
  readonly name: string;
  /** The seed that found it when it was tried last: where to begin. */
  readonly from?: number;
}

export const leaseSeededBugs: readonly LeaseSeededBug[] = [
  {
    name: "an owner counts from when the grant came",
    file: "cluster/leases/renewals.ts",
    text: "for (const { renewal, assignedUpTo } of due) this.#owner.granted({ renewal, assignedUpTo });",
    patched:
      "for (const { assignedUpTo } of due) this.#owner.granted({ renewal: this.#owner.renew(this.#options.bootClock.now_ms()), assignedUpTo });",
  },
  {
    name: "a leader grants before the round",
    file: "cluster/leases/grants.ts",
    text: "this.#options.ask(this.#attempt);",
    patched: "this.round(this.#attempt, true);",
    from: 105,
  },
  {
    name: "a new leader does not wait",
    file: "ownership/lease-book.ts",
    text: "const inherited_ms = this.#leads_ms + Math.max(this.#wait_ms, formerTerm_ms * (1 + this.#drift));",
    patched: "const inherited_ms = this.#leads_ms;",
    always: true,
  },
  {
    name: "a new leader waits for its own terms only",
    file: "ownership/lease-book.ts",
    text: "Math.max(this.#wait_ms, formerTerm_ms * (1 + this.#drift));",
    patched: "this.#wait_ms;",
    also: {
      file: "cluster/leases/grants.ts",
      text: "if (longestWait_ms > this.#wait_ms) this.#lengthen(longestWait_ms);",
      patched: "",
    },
  },
  {
    name: "clocks are thought to run alike",
    file: "ownership/lease-book.ts",
    text: "this.#wait_ms = ttl_ms * (1 + drift);",
    patched: "this.#wait_ms = ttl_ms * (1 + drift * 0);",
    from: 85,
  },
  {
    name: "the clock of leases stands still while the machine sleeps",
    file: "simulation/leases/node.ts",
    text: "const bootClock = { now_ms: () => host.now_ms() };",
    patched: "const bootClock = { now_ms: () => host.now_ms() - this.slept_ms };",
    always: "thorough",
  },
  {
    name: "a grant counts before the assignments are known that it was granted with",
    file: "cluster/leases/renewals.ts",
    text: "const due = this.#waiting.filter(({ assignedUpTo }) => assignedUpTo <= index);",
    patched: "const due = [...this.#waiting];",
    also: {
      file: "ownership/owner-lease.ts",
      text: "return now_ms < this.#expires_ms && appliedIndex >= this.#assignedUpTo;",
      patched: "return now_ms < this.#expires_ms && appliedIndex >= 0;",
    },
    from: 30,
    always: "thorough",
  },
  {
    name: "a node is granted its lease while its agents are being given away",
    file: "cluster/leases/grants.ts",
    text: 'if (isGivenAway) return "given_away";',
    patched: "",
  },
  {
    name: "a gap that is over counts as none",
    file: "cluster/leases/cell.ts",
    text: "if (Atomics.load(this.#words, tenureAt) !== this.#admitted) return 0;",
    patched: "",
    always: true,
  },
  {
    name: "a leader that was deposed goes on giving away",
    file: "cluster/leases/driver.ts",
    text: "else if (before.leads) this.grants.resign();",
    patched: "",
  },
];
