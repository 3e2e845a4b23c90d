/**
 * Logging: `logger("gossip").info("Joined {seed}", { seed })`. Silent until `configureLogging` is
 * called, once, by whoever owns the process or thread; never called per message on a hot path.
 * Where the lines go is the caller's: a console, a file (`log-file.ts`), a test's array.
 */
import { type LogLevel as LogtapeLevel, type Logger, configure, getLogger } from "@logtape/logtape";
import { type LogFormat, formatRecord } from "./log-format.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggingOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** On every JSON line. */
  readonly node: string;
  /** Takes one line without its end; must not throw. */
  readonly write: (line: string) => void;
}

const libraryLevel: Readonly<Record<LogLevel, LogtapeLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warning",
  error: "error",
};

/** May be called again to change level, format or destination (SIGHUP). */
export async function configureLogging(options: LoggingOptions): Promise<void> {
  const { format, node, write } = options;
  await configure({
    reset: true,
    sinks: { lines: (record) => write(formatRecord(record, format, node)) },
    loggers: [
      { category: ["caxton"], lowestLevel: libraryLevel[options.level], sinks: ["lines"] },
      // The library's own notes about its configuration are of interest only when something is wrong.
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["lines"] },
    ],
  });
}

/** `category` is dotted: `api`, `cluster.gossip`. Cheap to call; keep the result. */
export function logger(category: string): Logger {
  return getLogger(["caxton", ...category.split(".")]);
}
