/** Everything that goes wrong in a simulated Raft world, and what operators do meanwhile, at random from its seed. */
import type { Prng } from "../../base/prng.ts";
import { defaultMember, type Member, type RaftId } from "../../raft/configuration.ts";
import type { RaftNode } from "./node.ts";
import type { RaftNetwork } from "./network.ts";
import { foundersOf, memberIds, type RaftFaults, type RaftScenario } from "./scenario.ts";

export interface RaftTroublesWorld {
  readonly now: number;
  readonly nodes: ReadonlyMap<RaftId, RaftNode>;
  readonly network: RaftNetwork;
  at(time_ms: number, work: () => void): void;
  crash(node: RaftNode, back_ms: number): void;
  /** It crashes before the effect after so many more. */
  crashWithin(node: RaftNode, effects: number, back_ms: number): void;
  say(line: () => string): void;
}

export class RaftTroubles {
  #over = false;

  constructor(
    private readonly world: RaftTroublesWorld,
    private readonly scenario: RaftScenario,
    private readonly prng: Prng,
  ) {
    for (const kind of Object.keys(scenario.faults) as (keyof RaftFaults)[]) this.#next(kind);
  }

  end(): void {
    this.#over = true;
  }

  #next(kind: keyof RaftFaults): void {
    const rate = this.scenario.faults[kind];
    if (rate === 0) return;
    const wait_ms = (-Math.log(1 - this.prng.float()) / rate) * 1_000;
    this.world.at(this.world.now + wait_ms, () => {
      if (this.#over) return;
      this.#happens(kind);
      this.#next(kind);
    });
  }

  #happens(kind: keyof RaftFaults): void {
    switch (kind) {
      case "crashes":
        this.#crash();
        return;
      case "cuts":
        this.#cut();
        return;
      case "pauses":
        this.#pause();
        return;
      case "diskFaults":
        this.#disk();
        return;
      case "falseHints":
        this.#falseHint();
        return;
      case "membership":
        this.#changeMembers();
        return;
      case "transfers":
        this.#transfer();
    }
  }

  #running(): RaftNode[] {
    return [...this.world.nodes.values()].filter(({ raft }) => raft !== null);
  }

  #some(): RaftNode | undefined {
    // The leader is where it hurts.
    return this.prng.chance(0.5) ? this.#leader() : this.prng.pick(this.#running());
  }

  #leader(): RaftNode | undefined {
    return this.prng.pick(this.#running().filter(({ raft }) => raft?.role === "leader"));
  }

  #crash(): void {
    const { prng, world } = this;
    const node = this.#some();
    if (node === undefined) return;
    if (this.scenario.witness && prng.chance(0.5)) {
      this.#oneAfterTheOther(node);
      return;
    }
    const back_ms = prng.chance(0.5) ? prng.float() * 60 : prng.float() * 1_200;
    if (prng.chance(0.3)) {
      for (const each of this.#running()) world.crash(each, prng.float() * 300);
    } else if (prng.chance(0.7)) world.crashWithin(node, 1 + prng.below(12), back_ms);
    else world.crash(node, back_ms);
  }

  /** The others go on without it; then one of them goes, and it comes back with what it has. */
  #oneAfterTheOther(node: RaftNode): void {
    const { prng, world } = this;
    const away_ms = 250 + prng.float() * 300;
    world.crash(node, away_ms);
    world.at(world.now + away_ms - 10, () => {
      const other = this.#leader();
      if (other !== undefined && !this.#over) world.crash(other, 200 + prng.float() * 600);
    });
  }

  #cut(): void {
    const { prng, world } = this;
    const { network } = world;
    const ids = [...world.nodes.keys()];
    const draw = prng.float();
    if (draw < 0.3) network.heal();
    else if (draw < 0.6) {
      const side = new Set(prng.shuffle([...ids]).slice(0, 1 + prng.below(ids.length - 1)));
      const oneWay = prng.chance(0.3);
      for (const a of side)
        for (const b of ids) {
          if (side.has(b)) continue;
          network.cut(a, b);
          if (!oneWay) network.cut(b, a);
        }
    } else {
      const [a, b] = prng.shuffle([...ids]);
      if (a === undefined || b === undefined) return;
      network.cut(a, b);
      if (prng.chance(0.6)) network.cut(b, a);
    }
    world.say(() => "the network is cut otherwise");
    world.at(world.now + 50 + prng.float() * 900, () => {
      if (prng.chance(0.6)) network.heal();
    });
  }

  #pause(): void {
    const node = this.#some();
    if (node === undefined) return;
    const { now } = this.world;
    node.pausedUntil = now + this.prng.float() * (this.prng.chance(0.3) ? 1_000 : 200);
    this.world.say(() => `${node.id} is paused for ${Math.round(node.pausedUntil - now)} ms`);
  }

  #disk(): void {
    const { prng, world } = this;
    const node = this.#some();
    if (node === undefined) return;
    if (prng.chance(0.6)) {
      node.disk.hungUntil = world.now + prng.float() * 800;
      world.say(() => `the disk of ${node.id} hangs until ${Math.round(node.disk.hungUntil)}`);
      return;
    }
    node.disk.failing = true;
    world.say(() => `the disk of ${node.id} fails`);
    world.at(world.now + 100 + prng.float() * 300, () => {
      if (!this.#over) world.crash(node, prng.float() * 100);
    });
  }

  #falseHint(): void {
    const hinted = this.#leader();
    if (hinted === undefined) return;
    this.world.say(() => `a false hint about ${hinted.id}`);
    // Some of them are a cut that breaks the streams: a hint that is not so false, about one that lives.
    const isCut = this.prng.chance(0.4);
    for (const node of this.#running()) {
      if (this.prng.chance(isCut ? 0.9 : 0.6)) node.input({ kind: "hint", peer: hinted.id });
      if (!isCut || node === hinted) continue;
      this.world.network.cut(hinted.id, node.id);
      this.world.network.cut(node.id, hinted.id);
    }
    if (isCut) this.world.at(this.world.now + this.prng.float() * 600, () => this.world.network.heal());
  }

  #transfer(): void {
    const { prng } = this;
    const to = prng.chance(0.5) ? null : (prng.pick([...this.world.nodes.keys()]) ?? null);
    this.#leader()?.input({ kind: "transfer", id: 0, to });
  }

  /** Grows, shrinks or exchanges members; what is not sound the core refuses. */
  #changeMembers(): void {
    const { prng, scenario } = this;
    const leader = this.#leader();
    const configuration = leader?.configuration;
    if (leader === undefined || !configuration) return;
    const { members } = configuration;
    const wanted = new Map<RaftId, Member>(members.map((member) => [member.id, member]));
    const all = memberIds(scenario);
    for (let changes = 1 + prng.below(2); changes > 0; changes--) {
      const id = prng.chance(0.25) ? leader.id : prng.pick(all);
      if (id === undefined) return;
      const member = wanted.get(id);
      const isWitness = foundersOf(scenario).some(
        (founder) => founder.id === id && founder.role === "witness",
      );
      if (member === undefined) wanted.set(id, defaultMember(id, isWitness ? "witness" : "learner"));
      else if (member.role === "learner") wanted.set(id, { ...member, role: "voter" });
      else if (prng.chance(0.3)) wanted.set(id, { ...member, priority: prng.below(3) });
      else if (prng.chance(0.5) && member.role === "voter") wanted.set(id, { ...member, role: "learner" });
      else if (wanted.size > 2) wanted.delete(id);
    }
    leader.changeMembers([...wanted.values()]);
    if (prng.chance(0.3)) this.#isolateSoon(leader);
  }

  /** In the middle of what it began: some have heard of it, some have not. */
  #isolateSoon(node: RaftNode): void {
    const { prng, world } = this;
    world.at(world.now + prng.float() * 25, () => {
      if (this.#over) return;
      for (const id of world.nodes.keys()) {
        if (id === node.id) continue;
        world.network.cut(node.id, id);
        world.network.cut(id, node.id);
      }
      world.at(world.now + 100 + prng.float() * 500, () => world.network.heal());
    });
  }
}
