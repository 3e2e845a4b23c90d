/** Tells the others of this node's load: when it changed enough, and not too often. */
import { encodeRecord } from "../wire/gossip-records.ts";
import type { NodeLoad } from "../wire/gossip-tags.ts";
import type { SwimState } from "./state.ts";

/** Steps that matter to placement, in percentage points. */
const step_percent = 5;

export class LoadNews {
  #measured: NodeLoad | null = null;
  #nextAt = 0;

  constructor(private readonly state: SwimState) {}

  measured(load: NodeLoad): void {
    this.#measured = load;
  }

  due(): number {
    return this.#isNews() ? this.#nextAt : Infinity;
  }

  run(): void {
    const { state } = this;
    const load = this.#measured;
    if (load === null || !this.#isNews() || this.#nextAt > state.now) return;
    this.#nextAt = state.now + state.timing.load_ms;
    const { me } = state;
    me.load = load;
    me.loadSequence++;
    const { boot } = me.incarnation;
    const record = encodeRecord({ kind: "load", node: me.id, boot, sequence: me.loadSequence, load });
    state.rumors.add(`load ${me.id}`, "load", record);
    state.emit({ kind: "load", member: me });
  }

  #isNews(): boolean {
    const load = this.#measured;
    if (load === null) return false;
    const { load: told, loadSequence } = this.state.me;
    return (
      loadSequence === 0 ||
      load.agents !== told.agents ||
      Math.abs(load.cpu_percent - told.cpu_percent) >= step_percent ||
      Math.abs(load.memory_percent - told.memory_percent) >= step_percent ||
      Math.abs((load.disk_percent ?? 0) - (told.disk_percent ?? 0)) >= step_percent ||
      Math.abs(load.memory_bytes - told.memory_bytes) > told.memory_bytes / 10
    );
  }
}
