/**
 * Streams of a process that says nothing for long while it stands still or its main thread hangs: as `PeerNetwork`
 * has it, the others give theirs up, and it finds them closed when it runs on.
 */
import type { VirtualClock } from "../platform/memory/clock.ts";
import type { Timer } from "../ports/clock.ts";
import type { Links } from "./links.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import { silence_ms } from "./streams.ts";
import { toTicks_ms } from "./ticks.ts";

interface Silence {
  readonly timer: Timer;
  /** Who has closed its streams, in which life. */
  readonly closedBy: Map<SimulatedNode, number>;
}

export class SilentPeers {
  readonly #silences = new Map<SimulatedNode, Silence>();

  constructor(
    private readonly world: {
      readonly clock: VirtualClock;
      readonly links: Links;
      readonly nodes: readonly SimulatedNode[];
    },
  ) {}

  begins(node: SimulatedNode): void {
    if (this.#silences.has(node)) return;
    const timer = this.world.clock.after(toTicks_ms(silence_ms), () => this.#giveUp(node));
    this.#silences.set(node, { timer, closedBy: new Map() });
  }

  /** Just before it runs on: what its sockets kept comes first, then their ends. */
  ends(node: SimulatedNode): void {
    const silence = this.#silences.get(node);
    this.#silences.delete(node);
    if (!silence) return;
    silence.timer.cancel();
    for (const [other, boot] of silence.closedBy)
      if (this.world.links.passes(other.index, node.index)) node.foundClosed(other, boot);
  }

  #giveUp(node: SimulatedNode): void {
    const closedBy = this.#silences.get(node)?.closedBy;
    if (node.life === undefined) return;
    for (const other of this.world.nodes) {
      if (other === node || other.life === undefined || other.host.paused || other.wedged) continue;
      other.giveUp(node);
      closedBy?.set(other, other.boot);
    }
  }
}
