/**
 * Who asked, told apart: a request id (`X-Request-Id`, the client's when it is well-formed) and a W3C
 * trace context (`traceparent`, https://www.w3.org/TR/trace-context/). A malformed one is ignored.
 */
import type { Entropy } from "../../ports/entropy.ts";

const requestId = /^[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}$/;
const parent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const zeroTrace = "0".repeat(32);
const zeroSpan = "0".repeat(16);
/** Spans of our own that are made at a time. */
const traces_atOnce = 64;
const pool_bytes = 4_096;
const traceparent_length = 55;
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Texts are pieces of longer ones, made for many requests at once: putting one together costs more than all else here. */
export class RequestIds {
  readonly #entropy: Entropy;
  #pool = "";
  #at = 0;
  #traces = "";
  #traceAt = 0;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  requestId(given: string | null): string {
    return given !== null && requestId.test(given) ? given : this.#hex(16);
  }

  /** For the response and for messages sent on: our own span under the caller's trace, or under one of its own. */
  traceparent(given: string | null): string {
    const caller = given === null ? null : parseTraceparent(given);
    if (caller !== null) return `00-${caller.traceId}-${this.#hex(16)}-${caller.flags}`;
    if (this.#traceAt === this.#traces.length) {
      this.#traces = this.#newTraces();
      this.#traceAt = 0;
    }
    this.#traceAt += traceparent_length;
    return this.#traces.substring(this.#traceAt - traceparent_length, this.#traceAt);
  }

  #newTraces(): string {
    return Array.from({ length: traces_atOnce }, () => `00-${this.#hex(32)}-${this.#hex(16)}-00`).join("");
  }

  /** Random hexadecimal digits, drawn from a pool so that a request costs no call to the system. */
  #hex(digits: number): string {
    if (this.#at + digits > this.#pool.length) {
      this.#pool = hexOf(this.#entropy.bytes(pool_bytes));
      this.#at = 0;
    }
    this.#at += digits;
    return this.#pool.substring(this.#at - digits, this.#at);
  }
}

/** Of a `traceparent` of our own: 32 lower-case hexadecimal digits, not all zero. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

function hexOf(bytes: Uint8Array & { readonly toHex?: () => string }): string {
  if (bytes.toHex !== undefined) return bytes.toHex();
  const pairs: string[] = [];
  for (let i = 0; i < bytes.length; i++) pairs.push(hex[bytes[i] as number] as string);
  return pairs.join("");
}

/** The caller's trace, or null when the header is not one. Versions above 00 may carry more parts, 00 may not. */
export function parseTraceparent(text: string): { readonly traceId: string; readonly flags: string } | null {
  const match = parent.exec(text);
  if (match === null) return null;
  const [, version, traceId, spanId, flags, rest] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?,
  ];
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (traceId === zeroTrace || spanId === zeroSpan) return null;
  return { traceId, flags: version === "00" ? flags : (Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00" };
}
