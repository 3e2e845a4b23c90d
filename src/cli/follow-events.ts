/** Prints events of these types (all when empty) as they happen, one `[INFO]` or `[WARN]` line each, and comes back after a broken connection. */
import type { EventAnswer } from "../api/events/events.ts";
import type { Call } from "./command.ts";
import { printable } from "./table.ts";
import { untilInterrupt } from "./until-interrupt.ts";

export async function followEvents(call: Call, types: readonly string[]): Promise<void> {
  const client = await call.client();
  const order = new EventOrder();
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
      const { format } = call.output;
      const at = order.mark(event.at, format === "wide");
      call.output.line(format === "json" ? JSON.stringify(event) : eventLine(withNode(event), at));
    }
  });
}

/** Of its own node's doing, which one it is: that is not in the text. */
function withNode(event: EventAnswer): Pick<EventAnswer, "level" | "text"> {
  return event.type.startsWith("message.") ? { ...event, text: `${event.text} (at ${event.node})` } : event;
}

/** What comes this much later than something that happened after it is told with its time. */
const late_ms = 5_000;

/** Which events say when they were: all where it was asked for, else those that come late, as of a side that was cut off. */
export class EventOrder {
  #newest_ms = 0;

  /** The time to tell, or null. `at`: ISO 8601. */
  mark(at: string, always: boolean): { readonly at: string; readonly late: boolean } | null {
    const at_ms = Date.parse(at);
    const late = at_ms < this.#newest_ms - late_ms;
    this.#newest_ms = Math.max(this.#newest_ms, at_ms);
    return always || late ? { at, late } : null;
  }
}

/**
 * `[INFO] Node node-2 detected as failed`, as the documents print it. A time follows the level where it was asked for;
 * at what comes late it follows the text: `… (earlier, at 2026-01-01T00:00:00.000Z)`.
 */
export function eventLine(
  { level, text }: Pick<EventAnswer, "level" | "text">,
  mark: ReturnType<EventOrder["mark"]> = null,
): string {
  const word = `[${level === "warn" ? "WARN" : "INFO"}]`;
  if (mark === null) return `${word} ${printable(text)}`;
  return mark.late
    ? `${word} ${printable(text)} (earlier, at ${mark.at})`
    : `${word} ${mark.at} ${printable(text)}`;
}
