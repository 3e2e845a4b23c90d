/** The node's log as its configuration wants it: level, format, destination. */
import type { Config } from "../../config/keys.ts";
import { configureLogging } from "../../telemetry/log.ts";
import { openLogDestination } from "../../telemetry/log-file.ts";

export interface OpenLog {
  close(): void;
}

/** Throws `CaxtonError("invalid_config")` when the file cannot be opened; then the log stays as it was. */
export async function openLog(config: Config, node: string): Promise<OpenLog> {
  const { log_level, log_format, log_file } = config.observability;
  const destination = openLogDestination(log_file);
  await configureLogging({
    level: log_level,
    format: log_format,
    node,
    write: destination.write,
  });
  return { close: () => destination.close() };
}
