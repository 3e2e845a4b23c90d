/** Metrics of this node's process, machine and store. */
import { type Instrument, quantiles_seconds } from "./instrument.ts";
import type { StoreFigures, SystemFigures } from "./sources.ts";

export const systemTable: readonly Instrument<SystemFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_system_cpu_usage_percent",
    help: "Processor time used, of all cores",
    read: (f) => f.cpu_percent,
  },
  {
    kind: "gauge",
    name: "caxton_system_memory_available_bytes",
    help: "Memory that the machine can still give",
    read: (f) => f.memoryAvailable_bytes,
  },
  {
    kind: "gauge",
    name: "caxton_process_resident_memory_bytes",
    help: "Resident memory of the node",
    read: (f) => f.memory_bytes,
  },
  {
    kind: "gauge",
    name: "caxton_process_start_time_seconds",
    help: "When the node started, Unix time",
    read: (f) => f.startedAt_ms / 1_000,
  },
];

export const storeTable: readonly Instrument<StoreFigures>[] = [
  {
    kind: "gauge",
    name: "caxton_store_size_bytes",
    help: "Size of the databases",
    read: (f) => f.size_bytes,
  },
  { kind: "counter", name: "caxton_store_commits_total", help: "Commits", read: (f) => f.commits },
  {
    kind: "counter",
    name: "caxton_store_journal_records_total",
    help: "Journal records written",
    read: (f) => f.journalRecords,
  },
  { kind: "gauge", name: "caxton_dead_letters", help: "Dead letters kept", read: (f) => f.deadLetters },
  {
    kind: "gauge",
    name: "caxton_outbox_messages",
    help: "Durable messages on their way",
    read: (f) => f.outbox,
  },
  {
    kind: "gauge",
    name: "caxton_store_commit_seconds",
    help: "Durations of recent commits",
    read: (f) => quantiles_seconds(f.commit_ms),
  },
];
