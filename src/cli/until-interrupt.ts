/** Runs what goes on until Ctrl-C or SIGTERM, which then is its orderly end, as is that of whoever reads its lines. */
import { outputReader } from "../platform/bun/output-reader.ts";

/** Between looks whether somebody still reads. */
const look_ms = 1_000;

export async function untilInterrupt(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const isRead = await outputReader();
  const looks = isRead === null ? undefined : setInterval(() => isRead() || stop(), look_ms);
  try {
    await work(controller.signal);
  } finally {
    clearInterval(looks);
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
