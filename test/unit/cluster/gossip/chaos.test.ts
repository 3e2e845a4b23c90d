import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { World, type WorldNode } from "../../../support/gossip-world.ts";

const seeds = Number(process.env["CAXTON_CHAOS_SEEDS"] ?? 8);
const module = "ab".repeat(32) as ModuleHash;
const size = 5;

/** Random faults for a while; afterwards everything works again. */
class Chaos {
  readonly world: World;
  readonly prng: Prng;
  readonly #boots = new Map<string, number>();
  readonly #paused = new Set<string>();
  #agents = 0;

  constructor(seed: number) {
    this.world = new World(seed);
    this.prng = new Prng(seed * 7_919);
  }

  async run(steps: number): Promise<void> {
    await this.world.cluster(size);
    this.world.network.setRules({ loss: 0.02, delay_ms: [0.1, 10], duplication: 0.01 });
    for (let i = 0; i < steps; i++) {
      await this.#act();
      this.world.clock.advance(this.prng.below(4_000));
    }
    this.world.network.heal();
    for (const node of this.world.nodes.values()) {
      if (this.#paused.delete(node.id)) this.world.resume(node);
      if (node.down) await this.#restart(node);
    }
  }

  async #act(): Promise<void> {
    const nodes = [...this.world.nodes.values()];
    const node = this.prng.pick(nodes);
    if (!node) return;
    const dice = this.prng.below(7);
    if (dice === 0 && !node.down && !this.#paused.has(node.id)) await this.world.kill(node);
    else if (dice === 1 && node.down) await this.#restart(node);
    else if (dice === 2) this.#cut(nodes);
    else if (dice === 3) this.world.network.heal();
    else if (dice === 4 && !node.down && !this.#paused.has(node.id)) {
      this.#paused.add(node.id);
      this.world.pause(node);
    } else if (dice === 5 && this.#paused.delete(node.id)) this.world.resume(node);
    else if (dice === 6 && !node.down && !this.#paused.has(node.id)) this.#announce(node);
  }

  #cut(nodes: readonly WorldNode[]): void {
    const left = nodes.filter(() => this.prng.chance(0.4)).map((node) => node.host);
    const right = nodes.map((node) => node.host).filter((host) => !left.includes(host));
    if (this.prng.chance(0.7)) this.world.network.cut(left, right);
    else for (const from of left) for (const to of right) this.world.network.cutOneWay(from, to);
  }

  #announce(node: WorldNode): void {
    const names = Array.from(
      { length: 1 + this.prng.below(60) },
      () => `agent-${this.#agents++ % 200}` as AgentName,
    );
    const epoch = 1 + this.prng.below(5);
    const changed = names.map((agent) => ({ agent, epoch, revision: 1, status: "running", module }) as const);
    node.driver.announce(changed, this.prng.chance(0.5) ? names.slice(0, 3) : []);
  }

  async #restart(node: WorldNode): Promise<void> {
    const boot = (this.#boots.get(node.id) ?? 1) + 1;
    this.#boots.set(node.id, boot);
    this.#paused.delete(node.id);
    // The first node has no seeds, as the one that bootstraps; when all restart, the others' lead to it.
    await this.world.start(node.id, { boot, seeds: node.id === "n1" ? [] : ["n1"] });
  }
}

/** What all must agree on. */
function viewOf(node: WorldNode): unknown {
  const members = node.driver
    .members()
    .map(({ id, status, bootEpoch, incarnation }) => [id, status, bootEpoch, incarnation])
    .sort();
  const agents = [...node.driver.directory.entries()].map(
    ({ agent, node: owner, epoch }) => `${agent} ${owner} ${epoch}`,
  );
  return { members, agents: agents.sort() };
}

describe("after any faults", () => {
  test.each(Array.from({ length: seeds }, (_, i) => i + 1))(
    "views converge with no outside help (seed %i)",
    async (seed) => {
      const chaos = new Chaos(seed);
      await chaos.run(40);
      const { world } = chaos;
      const nodes = [...world.nodes.values()];
      const agreed = (): boolean => {
        const [first, ...others] = nodes.map((node) => JSON.stringify(viewOf(node)));
        return (
          others.every((view) => view === first) && nodes.every((node) => world.alive(node).length === size)
        );
      };
      for (let waited_s = 0; waited_s < 90 && !agreed(); waited_s++) world.clock.advance(1_000);
      const [first, ...others] = nodes.map(viewOf);
      for (const view of others) expect(view).toEqual(first);
      for (const node of nodes) expect(world.alive(node)).toHaveLength(size);
    },
  );
});
