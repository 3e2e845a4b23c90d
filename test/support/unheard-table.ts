/** Which nodes the leader does not hear, as a table that a test fills by hand. */
import type { NodeId } from "../../src/base/ids.ts";
import type { UnheardWord } from "../../src/node/ownership/unheard-nodes.ts";

export class UnheardTable {
  readonly #words = new Map<NodeId, UnheardWord>();
  readonly #listeners = new Set<(node: NodeId, isUnheard: boolean) => void>();
  #count = 0;

  has(node: NodeId): boolean {
    return this.#words.has(node);
  }

  word(node: NodeId): UnheardWord | undefined {
    return this.#words.get(node);
  }

  list(): readonly (UnheardWord & { readonly node: NodeId })[] {
    return [...this.#words].map(([node, word]) => ({ node, ...word }));
  }

  subscribe(listener: (node: NodeId, isUnheard: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  set(node: NodeId, isUnheard: boolean): void {
    if (isUnheard) this.#words.set(node, { by: "n1" as NodeId, since_ms: ++this.#count });
    else this.#words.delete(node);
    for (const listener of this.#listeners) listener(node, isUnheard);
  }
}
