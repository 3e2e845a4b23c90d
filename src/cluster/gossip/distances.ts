/** Main's copy of the network coordinates: how far two members are apart, without asking the gossip thread. */
import type { NodeId } from "../../base/ids.ts";
import { estimate_ms, estimateBetween_ms, originCoordinate, type Place } from "../../swim/coordinates.ts";
import type { Coordinate } from "../../wire/gossip-coordinate.ts";

export class Distances {
  #own: Coordinate = originCoordinate;
  readonly #places = new Map<NodeId, Place>();

  constructor(private readonly self: NodeId) {}

  learn(own: Coordinate, places: readonly (readonly [node: NodeId, place: Place])[]): void {
    this.#own = own;
    for (const [node, place] of places) this.#places.set(node, place);
  }

  forget(node: NodeId): void {
    this.#places.delete(node);
  }

  /** The expected round trip in ms; 0 to itself, undefined while too little is known. */
  between_ms(a: NodeId, b: NodeId): number | undefined {
    if (a === b) return 0;
    const [to, from] = b === this.self ? [a, b] : [b, a];
    const place = this.#places.get(to);
    if (place === undefined) return undefined;
    if (from === this.self) return estimate_ms(this.#own, place);
    const other = this.#places.get(from);
    return other && estimateBetween_ms(place, other);
  }
}
