/** Performatives as people and other FIPA systems write them: `query-if`, `QUERY_IF`, `Query-If`. */
import { performatives, type Performative } from "../wire/message.ts";

const known: ReadonlySet<string> = new Set(performatives);

/** Null when the text names none; `performatives` of wire/message.ts lists them. */
export function parsePerformative(text: string): Performative | null {
  const canonical = text.toLowerCase().replaceAll("_", "-");
  return known.has(canonical) ? (canonical as Performative) : null;
}
