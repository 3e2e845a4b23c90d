/** Metrics of this node's own lease: whether its agents may act. */
import type { Instrument } from "./instrument.ts";
import type { LeaseFigures } from "./sources.ts";

export const leaseTable: readonly Instrument<LeaseFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_lease_held",
    help: "1 while this node's agents may act",
    read: (f) => (f.held ? 1 : 0),
  },
  {
    kind: "counter",
    name: "caxton_lease_losses_total",
    help: "Times that this node lost its lease",
    read: (f) => f.losses,
  },
  {
    kind: "gauge",
    name: "caxton_lease_without_seconds",
    help: "How long this node has had no lease",
    read: (f) => f.without_ms / 1_000,
  },
  {
    kind: "gauge",
    name: "caxton_agents_parked",
    help: "Agents of this node that wait for its lease",
    read: (f) => f.parked,
  },
];
