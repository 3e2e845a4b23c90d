/** Lines about what each node answered to an order for all. */
import type { ToldAnswer } from "../../api/cluster/stopping.ts";

export function toldLines({ nodes }: ToldAnswer, done: string): string[] {
  return nodes
    .toSorted((a, b) => (a.node < b.node ? -1 : 1))
    .map(({ node, ok, detail }) =>
      ok ? `Node ${node}: ${detail === "" ? done : detail}` : `Node ${node}: NOT ${done}: ${detail}`,
    );
}
