/** The `data` of server-sent events out of bytes that may be cut anywhere. Pure; what else a stream says is skipped. */
import { CaxtonError } from "../base/errors.ts";

const event_characters_max = 1_000_000;

export class EventParser {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** Data of the events completed by these bytes. Throws for an event without end. */
  push(bytes: Uint8Array): readonly string[] {
    const blocks = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r?\n\r?\n/);
    this.#rest = blocks.pop() ?? "";
    if (this.#rest.length > event_characters_max)
      throw new CaxtonError("payload_too_large", "An event is too long");
    return blocks.map(dataOf).filter((data) => data !== "");
  }
}

function dataOf(block: string): string {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice(line.startsWith("data: ") ? 6 : 5)).join("\n");
}
