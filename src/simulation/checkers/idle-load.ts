/** In a cluster where nothing happens a node sends the same few packets, however many nodes there are. */
import type { Broken, Checker, Scene } from "../scene.ts";

const window_ms = 10_000;
/** News of what happened last is still passed on for so many probe periods. */
const settlingPeriods = 40;
/** A failed member is sent a probe this often by everybody, and tried by stream. */
const deadProbesPerSecond = 1.2;

export class IdleLoad implements Checker {
  readonly name = "idle-load";
  readonly rule = "the packets of an idle node are few, and as few in a large cluster";
  checked = 0;
  /** The largest mean of a window, packets a node and second. */
  highest = 0;
  #began_ms = 0;
  #sent: number[] | null = null;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  announced(): void {
    this.#sent = null;
  }

  second(): void {
    const { scene } = this;
    const { truth, nodes } = scene;
    const agreed_ms = scene.agreedSince_ms();
    const settling_ms = settlingPeriods * scene.bounds.timing.probe_ms;
    if (
      truth.impairments > 0 ||
      agreed_ms === null ||
      scene.now() - agreed_ms < settling_ms ||
      truth.quiet_ms() < settling_ms
    ) {
      this.#sent = null;
      return;
    }
    const sent = nodes.map(({ index }) => scene.sentPackets(index));
    if (this.#sent && scene.now() - this.#began_ms < window_ms) return;
    if (this.#sent) this.#judge(this.#sent, sent, (scene.now() - this.#began_ms) / 1_000);
    this.#sent = sent;
    this.#began_ms = scene.now();
  }

  #judge(before: readonly number[], after: readonly number[], duration_s: number): void {
    const { truth, nodes, bounds } = this.scene;
    let [packets, up, gone] = [0, 0, 0];
    for (const { index } of nodes) {
      if (truth.present[index] === 0) gone++;
      if (truth.up[index] === 0) continue;
      up++;
      packets += (after[index] as number) - (before[index] as number);
    }
    if (up < 2) return;
    this.checked++;
    const rate = packets / up / duration_s;
    this.highest = Math.max(this.highest, rate);
    const limit = bounds.idlePackets + (gone > 0 ? deadProbesPerSecond : 0);
    if (rate > limit)
      this.broken(
        `a node sends ${rate.toFixed(1)} packets a second while nothing happens, at most ${limit.toFixed(1)}`,
      );
  }
}
