/** Durations as people write them: `500ms`, `30s`, `5m`, `1h30m`, `24h`, `7d`. Inside they are milliseconds. */
import { CaxtonError } from "./errors.ts";
import { quote } from "./ids.ts";

const unit_ms: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const whole = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** Milliseconds of a duration; refuses anything else, with what is accepted. */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  if (!whole.test(trimmed) || trimmed.length > 40) {
    throw new CaxtonError(
      "invalid_argument",
      `Duration ${quote(text)} is not like 500ms, 30s, 5m, 24h or 7d`,
    );
  }
  let total_ms = 0;
  for (const [, amount, unit] of trimmed.matchAll(part))
    total_ms += Number(amount) * (unit_ms[unit as string] as number);
  return total_ms;
}

/** The shortest exact text of whole milliseconds: `1h30m`, `500ms`; what `parseDuration` reads back. */
export function formatDuration(duration_ms: number): string {
  let rest = Math.round(duration_ms);
  if (rest === 0) return "0s";
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const count = Math.floor(rest / (unit_ms[unit] as number));
    rest -= count * (unit_ms[unit] as number);
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}
