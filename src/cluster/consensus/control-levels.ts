/**
 * Which commands of the control state each node's program knows, asked of the nodes themselves, in each life: an older
 * one would have to stop at a command that it does not know, so whoever leads must not take its own level for theirs.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { controlLevel } from "../../control/command-table.ts";
import { Reader, Writer } from "../../wire/cursor.ts";
import type { Member } from "../membership.ts";
import type { Peers } from "../peers/peers.ts";

const method = "control.level";
const request_ms = 2_000;
/** Of programs from before nodes told it; what is not known yet is taken for it. */
const untold = 3;

export interface ControlLevelsOptions {
  readonly self: NodeId;
  readonly peers: Pick<Peers, "request" | "handle">;
  /** Of some node it is known now. */
  readonly learned: () => void;
}

export class ControlLevels {
  readonly #options: ControlLevelsOptions;
  readonly #known = new Map<NodeId, { readonly boot: number; readonly level: number }>();
  readonly #asking = new Set<NodeId>();

  /** Answers for this node from now on. */
  constructor(options: ControlLevelsOptions) {
    this.#options = options;
    options.peers.handle(method, () => Promise.resolve(new Writer().u16(controlLevel).finish()));
  }

  /** As the node said in this life; until it is known, `before`, and the node is asked. */
  of({ id, bootEpoch, status }: Pick<Member, "id" | "bootEpoch" | "status">, before = untold): number {
    if (id === this.#options.self) return controlLevel;
    const known = this.#known.get(id);
    const level = known?.boot === bootEpoch ? known.level : undefined;
    // Or it had only just started, and did not answer yet.
    const isSure = level !== undefined && level !== untold;
    if (!isSure && status === "alive" && !this.#asking.has(id)) void this.#ask(id, bootEpoch);
    return level ?? before;
  }

  /** Of nodes that are no members any more. */
  keepOnly(nodes: ReadonlySet<NodeId>): void {
    for (const id of this.#known.keys()) if (!nodes.has(id)) this.#known.delete(id);
  }

  async #ask(id: NodeId, boot: number): Promise<void> {
    this.#asking.add(id);
    try {
      const level = await this.#answerOf(id);
      const before = this.#known.get(id);
      this.#known.set(id, { boot, level });
      if (before?.boot !== boot || before.level !== level) this.#options.learned();
    } catch {
      // Whoever looks next asks again.
    } finally {
      this.#asking.delete(id);
    }
  }

  async #answerOf(id: NodeId): Promise<number> {
    try {
      const answer = await this.#options.peers.request(id, method, new Uint8Array(), {
        timeout_ms: request_ms,
      });
      const reader = new Reader(answer);
      const level = reader.u16();
      reader.finish();
      return level;
    } catch (error) {
      // Its program does not answer that.
      if (error instanceof CaxtonError && error.code === "not_found") return untold;
      throw error;
    }
  }
}
