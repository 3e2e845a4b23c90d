/** Prints events of these types (all when empty) as they happen, one `[INFO]` or `[WARN]` line each, and comes back after a broken connection. */
import type { EventAnswer } from "../api/events/events.ts";
import type { Call } from "./command.ts";
import { printable } from "./table.ts";
import { untilInterrupt } from "./until-interrupt.ts";

export async function followEvents(call: Call, types: readonly string[]): Promise<void> {
  const client = await call.client();
  await untilInterrupt(async (signal) => {
    // A node that is away for long is told once for each reason, not at each attempt.
    const told = new Set<string>();
    const broken = ({ message }: Error): void => {
      if (!told.has(message)) call.output.notice(`[WARN] ${message}; trying again`);
      told.add(message);
    };
    const back = (): void => {
      if (told.size > 0) call.output.notice("[INFO] Following again");
      told.clear();
    };
    for await (const event of client.events.follow({
      signal,
      broken,
      back,
      cluster: true,
      ...(types.length === 0 ? {} : { types }),
    })) {
      call.output.line(call.output.format === "json" ? JSON.stringify(event) : eventLine(withNode(event)));
    }
  });
}

/** Of its own node's doing, which one it is: that is not in the text. */
function withNode(event: EventAnswer): Pick<EventAnswer, "level" | "text"> {
  return event.type.startsWith("message.") ? { ...event, text: `${event.text} (at ${event.node})` } : event;
}

/** `[INFO] Node node-2 detected as failed`; with the time in `at` only in JSON, as the documents print it. */
export function eventLine({ level, text }: Pick<EventAnswer, "level" | "text">): string {
  return `[${level === "warn" ? "WARN" : "INFO"}] ${printable(text)}`;
}
