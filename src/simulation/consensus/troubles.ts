/** Everything that goes wrong in a simulated consensus world, and what operators do meanwhile, at random from its seed. */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import type { MemberChange } from "../../cluster/consensus/consensus.ts";
import { type RaftId, identityOf, nodeOf } from "../../raft/configuration.ts";
import type { ConsensusLinks } from "./links.ts";
import type { ConsensusNode } from "./node.ts";
import type { Question } from "./process.ts";
import type { ConsensusFaults, ConsensusScenario } from "./scenario.ts";

export interface TroublesWorld {
  readonly now: number;
  readonly nodes: readonly ConsensusNode[];
  readonly links: ConsensusLinks;
  at(time_ms: number, work: () => void): void;
  comesBack(node: ConsensusNode, back_ms: number): void;
  say(line: () => string): void;
  changed(): void;
  transferred(): void;
}

const operation_ms = 1_000;
/** So many things may a process do at most before the crash that was put into it. */
const crashWithin_most = 60;
/** Of them, what the taking in of a small snapshot needs. */
const importSteps = 16;

export class ConsensusTroubles {
  #over = false;

  constructor(
    private readonly world: TroublesWorld,
    private readonly scenario: ConsensusScenario,
    private readonly prng: Prng,
  ) {
    for (const kind of Object.keys(scenario.faults) as (keyof ConsensusFaults)[]) this.#next(kind);
  }

  end(): void {
    this.#over = true;
  }

  /** It begins to take a snapshot in: what a crash in the middle leaves has to be mended. */
  importing(node: ConsensusNode): void {
    const { prng, world } = this;
    if (this.#over || this.scenario.faults.crashes === 0 || !prng.chance(0.4)) return;
    node.crashIn = 1 + prng.below(importSteps);
    world.comesBack(node, prng.float() * 60);
  }

  #next(kind: keyof ConsensusFaults): void {
    const rate = this.scenario.faults[kind];
    if (rate === 0) return;
    const wait_ms = (-Math.log(1 - this.prng.float()) / rate) * 1_000;
    this.world.at(this.world.now + wait_ms, () => {
      if (this.#over) return;
      this.#happens(kind);
      this.#next(kind);
    });
  }

  #happens(kind: keyof ConsensusFaults): void {
    switch (kind) {
      case "crashes":
        return this.#crash();
      case "cuts":
        return this.#cut();
      case "pauses":
        return this.#pause();
      case "diskFaults":
        return this.#disk();
      case "falseHints":
        return this.#falseHint();
      case "membership":
        return this.#changeMembers();
      case "transfers":
        return this.#transfer();
    }
  }

  #running(): ConsensusNode[] {
    return this.world.nodes.filter(({ isUp }) => isUp);
  }

  #leader(): ConsensusNode | undefined {
    return this.prng.pick(this.#running().filter(({ raft }) => raft?.role === "leader"));
  }

  /** The leader is where it hurts. */
  #some(): ConsensusNode | undefined {
    return this.prng.chance(0.5) ? this.#leader() : this.prng.pick(this.#running());
  }

  #crash(): void {
    const { prng, world } = this;
    const node = this.#some();
    if (node === undefined) return;
    const back_ms = prng.chance(0.5) ? prng.float() * 60 : prng.float() * 800;
    if (prng.chance(0.2)) {
      world.say(() => "everybody crashes");
      for (const each of this.#running()) {
        world.comesBack(each, prng.float() * 200);
        each.crash();
      }
    } else if (prng.chance(0.7)) {
      node.crashIn = 1 + prng.below(crashWithin_most);
      world.comesBack(node, back_ms);
    } else {
      world.say(() => `${node.name} crashes`);
      world.comesBack(node, back_ms);
      node.crash();
    }
  }

  #cut(): void {
    const { prng, world } = this;
    const { links } = world;
    const names = world.nodes.map(({ name }) => name);
    const draw = prng.float();
    const cuts: [NodeId, NodeId][] = [];
    if (draw < 0.5) {
      const side = new Set(prng.shuffle([...names]).slice(0, 1 + prng.below(names.length - 1)));
      const oneWay = prng.chance(0.3);
      for (const a of side)
        for (const b of names) {
          if (side.has(b)) continue;
          cuts.push([a, b]);
          if (!oneWay) cuts.push([b, a]);
        }
    } else {
      const [a, b] = prng.shuffle([...names]);
      if (a === undefined || b === undefined) return;
      cuts.push([a, b]);
      if (prng.chance(0.6)) cuts.push([b, a]);
    }
    world.say(() => `cut: ${cuts.map(([a, b]) => `${a} → ${b}`).join(", ")}`);
    for (const [a, b] of cuts) links.cut(a, b);
    world.at(world.now + 50 + prng.float() * 700, () => {
      if (prng.chance(0.7)) links.heal();
    });
  }

  #pause(): void {
    const node = this.#some();
    if (node === undefined) return;
    const { now } = this.world;
    node.pausedUntil = now + this.prng.float() * (this.prng.chance(0.3) ? 800 : 200);
    this.world.say(() => `${node.name} is paused for ${Math.round(node.pausedUntil - now)} ms`);
  }

  #disk(): void {
    const { prng, world } = this;
    const node = this.#some();
    if (node === undefined) return;
    const { files } = node;
    const draw = prng.float();
    if (draw < 0.4) {
      files.hang_ms = prng.float() * 600;
      world.say(() => `the disk of ${node.name} hangs for ${Math.round(files.hang_ms)} ms`);
      return;
    }
    const full = draw < 0.75;
    files.failure = full
      ? new CaxtonError("disk_full", "the disk failed: it is full")
      : new CaxtonError("storage_failed", "the disk failed: input/output error");
    world.say(() => `the disk of ${node.name} is ${full ? "full" : "broken"}`);
    // Whoever looks at it meanwhile is answered.
    world.at(world.now + prng.float() * 50, () => {
      this.#ask(node, { kind: "check", timeout_ms: operation_ms }, () => undefined);
    });
    world.at(world.now + 50 + prng.float() * 300, () => {
      files.failure = null;
      // An operator sees to a broken one; a full one is gone on with by itself.
      if (full || this.#over) return;
      world.comesBack(node, prng.float() * 80);
      node.crash();
    });
  }

  #falseHint(): void {
    const hinted = this.#leader();
    if (hinted === undefined) return;
    this.world.say(() => `the streams to ${hinted.name} break`);
    for (const { name } of this.world.nodes)
      if (name !== hinted.name && this.prng.chance(0.6)) this.world.links.break(name, hinted.name);
  }

  #transfer(): void {
    const { prng, world } = this;
    const to = prng.chance(0.5) ? null : (prng.pick(world.nodes)?.name ?? null);
    this.#ask(this.#leader(), { kind: "transfer", to, timeout_ms: operation_ms }, () => world.transferred());
  }

  /** Grows or shrinks; what is not sound is refused. */
  #changeMembers(): void {
    const { prng, world } = this;
    const leader = this.#leader();
    const members = leader?.raft?.status(leader.local).configuration.members ?? [];
    const node = prng.pick(world.nodes);
    if (node === undefined || leader === undefined) return;
    const known = members.find(({ id }: { readonly id: RaftId }) => nodeOf(id) === node.name);
    const voters = members.filter(({ role }) => role === "voter").length;
    const change = ((): MemberChange | null => {
      if (known === undefined) return { node: node.name, role: "learner", identity: identityOf(node.id) };
      if (known.role === "learner") return { node: node.name, role: "voter" };
      if (prng.chance(0.3)) return { node: node.name, role: known.role, priority: prng.below(3) };
      if (voters <= 2) return null;
      return { node: node.name, role: prng.chance(0.5) ? "learner" : null };
    })();
    if (change === null) return;
    this.#ask(leader, { kind: "membership", changes: [change], timeout_ms: operation_ms }, () =>
      world.changed(),
    );
  }

  #ask(node: ConsensusNode | undefined, question: Question, succeeded: () => void): void {
    node?.process?.ask(question, (answer) => {
      this.world.say(() => `${node.name}: ${JSON.stringify(question)}: ${JSON.stringify(answer)}`);
      if (answer.kind !== "failed") succeeded();
    });
  }
}
