/** Metrics of this node's agents and of the messages it routes. */
import { type Instrument, labelled, quantiles_seconds } from "./instrument.ts";
import type { AgentFigures, MessageFigures } from "./sources.ts";

export const agentTable: readonly Instrument<AgentFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_agent_message_latency_p99",
    help: "99th percentile of the time from accepted to handled since the start, in seconds",
    read: (f) => (f.handled === 0 ? null : f.latency_p99_ms / 1_000),
  },
  { kind: "counter", name: "caxton_agent_crashes_total", help: "Traps of agents", read: (f) => f.traps },
  {
    kind: "gauge",
    name: "caxton_agent_memory_used_bytes",
    help: "Linear memory of the agents on this node",
    read: (f) => f.memory_bytes,
  },
  {
    kind: "histogram",
    name: "caxton_message_latency_seconds",
    help: "Time from accepted to handled",
    read: (f) => f.latency,
  },
  {
    kind: "gauge",
    name: "caxton_agents",
    help: "Agents on this node by status",
    read: (f) => labelled("status", f.agentsByStatus),
  },
  { kind: "gauge", name: "caxton_agent_threads", help: "Threads that host agents", read: (f) => f.threads },
  {
    kind: "gauge",
    name: "caxton_agent_inbox_messages",
    help: "Messages waiting in inboxes",
    read: (f) => f.inbox,
  },
  {
    kind: "gauge",
    name: "caxton_agent_inbox_bytes",
    help: "Bytes waiting in inboxes",
    read: (f) => f.inbox_bytes,
  },
  {
    kind: "counter",
    name: "caxton_agent_messages_handled_total",
    help: "Messages handled",
    read: (f) => f.handled,
  },
  {
    kind: "counter",
    name: "caxton_agent_fuel_used_total",
    help: "Fuel that agents used",
    read: (f) => f.fuel,
  },
  {
    kind: "counter",
    name: "caxton_agent_traps_total",
    help: "Traps by kind",
    read: (f) => labelled("kind", f.trapsByKind),
  },
  {
    kind: "counter",
    name: "caxton_agent_restarts_total",
    help: "Restarts after a trap",
    read: (f) => f.restarts,
  },
  {
    kind: "gauge",
    name: "caxton_agent_startup_seconds",
    help: "Times to start recent agents",
    read: (f) => quantiles_seconds(f.startup_ms),
  },
];

export const messageTable: readonly Instrument<MessageFigures>[] = [
  {
    kind: "histogram",
    name: "caxton_message_remote_latency_seconds",
    help: "Time from handing a message to another node's link until that node accepted or refused it",
    read: (f) => f.remoteLatency,
  },
  {
    kind: "gauge",
    name: "caxton_messages_pending",
    help: "Messages that the router has under way",
    read: (f) => f.pending,
  },
  {
    kind: "counter",
    name: "caxton_messages_accepted_total",
    help: "Messages accepted by their receivers",
    read: (f) => f.accepted,
  },
  {
    kind: "counter",
    name: "caxton_messages_remote_total",
    help: "Messages sent to another node",
    read: (f) => f.remote,
  },
  {
    kind: "counter",
    name: "caxton_messages_retried_total",
    help: "Deliveries tried again",
    read: (f) => f.retries,
  },
  {
    kind: "counter",
    name: "caxton_messages_dead_lettered_total",
    help: "Messages given up with a reason",
    read: (f) => f.deadLetters,
  },
  {
    kind: "counter",
    name: "caxton_messages_malformed_frames_total",
    help: "Frames of peers that were no messages",
    read: (f) => f.malformedFrames,
  },
  {
    kind: "counter",
    name: "caxton_messages_stale_epochs_total",
    help: "Messages refused here since they were meant for a later owner of their agent",
    read: (f) => f.staleEpochs,
  },
  {
    kind: "counter",
    name: "caxton_messages_stale_entries_total",
    help: "Messages sent past an entry of the directory that an assignment overrules",
    read: (f) => f.staleEntries,
  },
  {
    kind: "counter",
    name: "caxton_messages_fenced_total",
    help: "Messages held back here since their sender has another owner",
    read: (f) => f.fenced,
  },
];
