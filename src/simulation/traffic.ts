/** The agents' messages to each other: who sends what to whom, and when, from the seed. */
import type { VirtualClock } from "../platform/memory/clock.ts";
import { generatorOf } from "./generator.ts";
import { nodeName } from "./node-set.ts";
import type { Scenario } from "./scenario.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import { toTicks_ms } from "./ticks.ts";

/** The agents know of each other by then. */
const begins_ms = 5_000;
const conversations = 3;

export class Traffic {
  readonly #numbers = new Map<string, number>();

  constructor(
    private readonly scenario: Scenario,
    private readonly clock: VirtualClock,
    private readonly nodes: readonly SimulatedNode[],
  ) {}

  begin(): void {
    const { messages = 0, agents, nodes } = this.scenario;
    if (messages <= 0 || agents < 1 || nodes < 2) return;
    for (const node of this.nodes) this.#plan(node, begins_ms);
  }

  #plan(node: SimulatedNode, delay_ms: number): void {
    const prng = generatorOf(this.scenario.seed, `traffic of ${node.index}`);
    const again = (wait_ms: number): void => {
      this.clock.after(toTicks_ms(wait_ms), () => {
        // Drawn also while the node is down, so that its absence changes nothing else.
        const to = prng.below(this.nodes.length);
        const conversation = prng.below(conversations);
        const next_ms = (2_000 * prng.float()) / (this.scenario.messages ?? 1);
        if (to !== node.index) this.#send(node, to, conversation);
        again(next_ms);
      });
    };
    again(delay_ms);
  }

  #send(node: SimulatedNode, to: number, conversation: number): void {
    const { messaging, host } = node;
    if (!messaging || host.paused) return;
    const [sender, receiver] = [`${node.id}-a1`, `${nodeName(to)}-a1`];
    const lane = `${sender}\n${receiver}\nc${conversation}`;
    const number = this.#numbers.get(lane) ?? 0;
    this.#numbers.set(lane, number + 1);
    messaging.submit(sender, receiver, conversation, lane, number);
  }
}
