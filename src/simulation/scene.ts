/** What a checker works with: the truth, the views, the bounds, and the drivers' public faces. */
import type { GossipDriver } from "../cluster/gossip/driver.ts";
import type { GossipStats } from "../cluster/membership.ts";
import type { Bounds } from "./bounds.ts";
import type { Links } from "./links.ts";
import type { Observer } from "./observer.ts";
import type { Scenario } from "./scenario.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { Truth } from "./truth.ts";
import type { Views } from "./views.ts";

export interface Scene {
  readonly scenario: Scenario;
  readonly bounds: Bounds;
  readonly truth: Truth;
  readonly views: Views;
  readonly links: Links;
  readonly nodes: readonly SimulatedNode[];
  now(): number;
  driver(node: number): GossipDriver | undefined;
  /** What its driver counts: the same snapshot for all who ask at one moment. */
  stats(node: number): GossipStats | undefined;
  /** Packets that the node ever sent. */
  sentPackets(node: number): number;
  /** When all views and directories first agreed with the truth since the last disturbance; null before. */
  agreedSince_ms(): number | null;
}

export interface Violation {
  readonly checker: string;
  readonly at_ms: number;
  readonly detail: string;
}

/** One invariant. It counts what it looked at, so that a check that never looked is seen. */
export interface Checker extends Observer {
  readonly name: string;
  /** The invariant in one sentence. */
  readonly rule: string;
  readonly checked: number;
}

/** How a checker tells of a broken invariant. */
export type Broken = (detail: string) => void;
