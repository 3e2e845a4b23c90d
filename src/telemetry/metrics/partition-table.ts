/** Metrics of partitions: on which side this node is, and what became of the writes it kept. */
import { type Instrument, labelled } from "./instrument.ts";
import type { PartitionFigures } from "./sources.ts";

const states = ["healthy", "majority", "minority", "isolated"];

export const partitionTable: readonly Instrument<PartitionFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_partition_state",
    help: "1 for the state that this node is in",
    read: (f) =>
      labelled("state", Object.fromEntries(states.map((name) => [name, name === f.state ? 1 : 0]))),
  },
  {
    kind: "counter",
    name: "caxton_partition_events_total",
    help: "Times that this node was cut off from the quorum, reached it again, or took part in a drill",
    read: (f) => labelled("event", { lost: f.lost, healed: f.healed, rehearsed: f.rehearsals }),
  },
  {
    kind: "gauge",
    name: "caxton_queued_writes",
    help: "Writes on this node's disk that wait for a quorum",
    read: (f) => f.queued,
  },
  {
    kind: "counter",
    name: "caxton_queued_writes_settled_total",
    help: "Queued writes by what became of them",
    read: (f) => labelled("outcome", f.outcomes),
  },
];
