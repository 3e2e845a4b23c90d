/** A cluster as the autopilot sees it, whose steps are carried out at once; for tests of what it comes to. */
import type { NodeId } from "../../src/base/ids.ts";
import { Autopilot } from "../../src/ownership/autopilot.ts";
import type {
  NodePresence,
  PilotMember,
  PilotNode,
  PilotStep,
  PilotView,
} from "../../src/ownership/autopilot-view.ts";
import type { RaftRole } from "../../src/wire/gossip-tags.ts";

export class PilotWorld {
  readonly nodes = new Map<string, PilotNode>();
  readonly members = new Map<string, PilotMember>();
  readonly taken: PilotStep[] = [];
  /** Members that do not get near the end of the log. */
  readonly lagging = new Set<string>();
  self: NodeId;
  voters_max: number | null = null;
  now_ms = 0;
  #pilot = new Autopilot();

  constructor(first = "n1") {
    this.self = first as NodeId;
    this.join(first);
    this.#member(first, "voter");
  }

  join(
    name: string,
    more: { role?: RaftRole; zone?: string; region?: string; identity?: number } = {},
  ): void {
    const { role = "voter", zone = "", region = "", identity = 1 } = more;
    this.nodes.set(name, { node: name as NodeId, presence: "alive", role, identity, region, zone });
  }

  set(name: string, presence: NodePresence): void {
    const node = this.nodes.get(name);
    if (node !== undefined) this.nodes.set(name, { ...node, presence });
  }

  /** Another node leads, with a pilot that has seen nothing. */
  lead(name: string): void {
    this.self = name as NodeId;
    this.#pilot = new Autopilot();
  }

  view(changing = false): PilotView {
    const { self, voters_max } = this;
    return {
      self,
      voters_max,
      changing,
      nodes: [...this.nodes.values()],
      members: [...this.members.values()],
    };
  }

  step(changing = false): PilotStep {
    return this.#pilot.step(this.view(changing), this.now_ms);
  }

  /** A moment passes; the step is carried out, and whoever is alive catches up. */
  tick(passed_ms = 1_000): PilotStep {
    this.now_ms += passed_ms;
    const step = this.step();
    if (step.kind === "transfer") this.lead(step.to);
    if (step.kind === "change") {
      this.taken.push(step);
      for (const { node, role, identity } of step.changes) {
        if (role === null) this.members.delete(node);
        else this.#member(node, role, identity);
      }
    }
    for (const [name, member] of this.members) {
      const node = this.nodes.get(name);
      const well = node?.presence === "alive" && node.identity === member.identity;
      this.members.set(name, { ...member, caughtUp: well && !this.lagging.has(name), contact: well });
    }
    return step;
  }

  /** Until nothing was done for a minute. Throws when that does not come. */
  settle(): void {
    let quiet = 0;
    for (let count = 0; quiet < 60; count++) {
      if (count > 400) throw new Error(`no end of steps: ${JSON.stringify(this.taken.slice(-4))}`);
      quiet = this.tick().kind === "nothing" ? quiet + 1 : 0;
    }
  }

  is(role: RaftRole): string[] {
    return [...this.members.values()]
      .filter((member) => member.role === role)
      .map(({ node }) => node)
      .sort();
  }

  #member(name: string, role: RaftRole, identity?: number): void {
    const before = this.members.get(name);
    const node = name as NodeId;
    const log = identity ?? before?.identity ?? 1;
    const same = before?.identity === log;
    this.members.set(name, {
      node,
      role,
      identity: log,
      caughtUp: (same && before.caughtUp) || name === this.self,
      contact: true,
    });
  }
}
