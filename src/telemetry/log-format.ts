/**
 * How a log record becomes one line: JSON for machines, text for people. Control characters are
 * escaped in both, so that nothing a peer or a user sent can forge a line or paint a terminal.
 * Pure; where lines go is `log.ts` and `log-file.ts`.
 */
import type { LogRecord } from "@logtape/logtape";

export const logFormats = ["text", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

/** The line is cut here, so that one record cannot fill a disk. */
const line_characters_max = 16_384;
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
const placeholder = /\{[A-Za-z_][A-Za-z0-9_]*\}/g;

/** One line without its end. `node` is on every JSON line. */
export function formatRecord(record: LogRecord, format: LogFormat, node: string): string {
  const line = format === "json" ? jsonLine(record, node) : textLine(record);
  return line.length > line_characters_max ? `${line.slice(0, line_characters_max)}…` : line;
}

function jsonLine(record: LogRecord, node: string): string {
  const fields: Record<string, unknown> = {
    at: new Date(record.timestamp).toISOString(),
    level: levelName(record.level),
    node,
    category: categoryName(record),
    text: messageText(record),
  };
  for (const [key, value] of Object.entries(record.properties)) {
    fields[Object.hasOwn(fields, key) ? `${key}_` : key] = plain(value);
  }
  const line = JSON.stringify(fields);
  // A cut JSON line is no JSON: an outgrown record keeps its head and loses its fields.
  if (line.length <= line_characters_max) return line;
  const text = messageText(record).slice(0, line_characters_max / 8);
  return JSON.stringify({
    at: fields["at"],
    level: fields["level"],
    node,
    category: fields["category"],
    text,
    cut: true,
  });
}

function textLine(record: LogRecord): string {
  const named = new Set(
    typeof record.rawMessage === "string" ? (record.rawMessage.match(placeholder) ?? []) : [],
  );
  let line = `${new Date(record.timestamp).toISOString()} ${levelName(record.level).toUpperCase().padEnd(5)} `;
  line += `${categoryName(record)}: ${messageText(record)}`;
  for (const [key, value] of Object.entries(record.properties)) {
    if (!named.has(`{${key}}`)) line += ` ${key}=${shown(value)}`;
  }
  return line.replace(controls, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function levelName(level: LogRecord["level"]): string {
  return level === "warning" ? "warn" : level;
}

function categoryName(record: LogRecord): string {
  return record.category.slice(1).join(".") || "caxton";
}

/** Even positions are the template's own text, odd ones the values. */
function messageText(record: LogRecord): string {
  return record.message.map((part, index) => (index % 2 === 0 ? String(part) : shown(part))).join("");
}

function shown(value: unknown): string {
  const simple = plain(value);
  return typeof simple === "string" ? simple : (JSON.stringify(simple) ?? String(simple));
}

/** What JSON can carry: errors as name, message and stack, bytes as their count, cycles as a word. */
function plain(value: unknown): unknown {
  if (value instanceof Error) {
    return value.stack?.includes(value.message) === true ? value.stack : `${value.name}: ${value.message}`;
  }
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function")
    return String(value);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (typeof value !== "object" || value === null) return value;
  try {
    JSON.stringify(value);
    return value;
  } catch {
    return "[not representable]";
  }
}
