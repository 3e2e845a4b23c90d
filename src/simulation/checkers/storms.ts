/** No storm of packets: two nodes that answer each other's answers, or a cluster that talks itself to death. */
import { nodeName } from "../node-set.ts";
import type { Packet } from "../network.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** In one second a node may send so many, and so many more for each member: a whole join fits well within. */
const packetsLeast = 600;
const packetsPerMember = 20;

export class Storms implements Checker {
  readonly name = "storms";
  readonly rule = "no node sends a storm of packets, whatever happens";
  checked = 0;
  readonly #sent: Uint32Array;
  readonly #limit: number;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#sent = new Uint32Array(scene.nodes.length);
    this.#limit = packetsLeast + packetsPerMember * scene.nodes.length;
  }

  sent({ from }: Packet): void {
    const sent = (this.#sent[from] as number) + 1;
    this.#sent[from] = sent;
    if (sent === this.#limit) this.broken(`${nodeName(from)} sent ${sent} packets within a second`);
  }

  second(): void {
    this.checked += this.scene.nodes.length;
    this.#sent.fill(0);
  }
}
