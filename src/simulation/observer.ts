/**
 * Who looks on while a world runs: checkers, figures, the story. They see what drivers tell and what the
 * simulation knows for certain, and change nothing.
 */
import type { GossipReport } from "../cluster/gossip/reports.ts";
import type { MessageHappening } from "./messaging.ts";
import type { Packet } from "./network.ts";
import type { Fault } from "./scenario.ts";

/**
 * `started`: a process began, not yet a member. `joined`: it entered its cluster. `crashed`: gone without
 * a word. `leaving`: it says goodbye. `left`: and is gone. `removed`: an operator's word was given, also of one that runs behind
 * a cut; `expelled`: and that one has heard it, and ended.
 */
export type Happening = "started" | "joined" | "crashed" | "leaving" | "left" | "removed" | "expelled";

export interface Observer {
  reported?(node: number, report: GossipReport): void;
  sent?(packet: Packet): void;
  /** A node's seal took a packet for good, and this was in it. */
  believed?(node: number, packet: Packet, payload: Uint8Array): void;
  happened?(node: number, what: Happening): void;
  faulted?(fault: Fault, phase: "begins" | "ends"): void;
  /** A node announced a change of its agents. */
  announced?(node: number): void;
  message?(happening: MessageHappening): void;
  /** Once a virtual second. */
  second?(): void;
  /** The run is over. */
  ended?(): void;
}
