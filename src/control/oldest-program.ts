/**
 * The oldest program in the cluster, by what the nodes have said of themselves. A leader takes no command that one of
 * them does not know: that node would have to stop there, and with some of them the cluster.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { NodeRecord } from "../wire/control-node.ts";
import type { Command, ControlView } from "./feature.ts";
import { oldestNode, writesOfNodes } from "./features/nodes.ts";

export class OldestProgram {
  readonly #view: ControlView;
  readonly #reloads: () => number;
  #node: NodeRecord | undefined;
  #asOf = "";

  /** `reloads` rises when what was written was taken back. */
  constructor(view: ControlView, reloads: () => number) {
    this.#view = view;
    this.#reloads = reloads;
  }

  /** Throws `version_mismatch`, with the node to upgrade. */
  demand({ name, since }: Pick<Command, "name" | "since">): void {
    const node = this.#oldest();
    if (node === undefined || node.level >= since) return;
    throw new CaxtonError(
      "version_mismatch",
      `The program of node ${quote(node.id)} does not know the command ${name} yet: upgrade that node, or remove it`,
    );
  }

  /** The records are read anew only when one was written. */
  #oldest(): NodeRecord | undefined {
    const asOf = `${this.#reloads()}.${writesOfNodes(this.#view)}`;
    if (asOf !== this.#asOf) {
      this.#node = oldestNode(this.#view);
      this.#asOf = asOf;
    }
    return this.#node;
  }
}
