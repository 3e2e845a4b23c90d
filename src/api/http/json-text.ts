/**
 * JSON from outside: parsed by the runtime, but never deeper than a limit, and when it is malformed
 * the refusal says where, alike on every runtime (their own messages differ, and Bun's has no place).
 * Linear in the text, whatever it is.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";

export const depth_max = 64;
/** A few bytes of text become an object of sixty-four, and whoever parses millions does nothing else meanwhile. */
export const values_max = 250_000;

/** Throws `CaxtonError("invalid_body")`: too deep, too many values, not JSON and where, or with a number that would not come out as it came in. */
export function parseJson(text: string): unknown {
  checkShape(text);
  const value = parsed(text);
  if (hasInfinity(value)) {
    throw new CaxtonError(
      "invalid_body",
      "The body has a number beyond 1.8e308, which would become null: send it as text",
    );
  }
  return value;
}

/** The runtime reads a number that is too large as infinity. */
function hasInfinity(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(hasInfinity);
  return Object.values(value).some(hasInfinity);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const at = errorOffset(text);
    if (at === null) throw new CaxtonError("invalid_body", `The body is not JSON: ${reasonOf(error)}`);
    const before = text.slice(0, at);
    const line = before.split("\n").length;
    const column = at - before.lastIndexOf("\n");
    const found = at >= text.length ? "the end" : JSON.stringify(text[at]);
    throw new CaxtonError(
      "invalid_body",
      `The body is not JSON: unexpected ${found} at line ${line}, column ${column}`,
    );
  }
}

function checkShape(text: string): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) i = closingQuote(text, i);
    else if (code === 91 || code === 123) {
      if (++depth > depth_max)
        throw new CaxtonError("invalid_body", `The body nests deeper than ${depth_max} levels`);
      values++;
    } else if (code === 44) values++;
    else if (code === 93 || code === 125) depth--;
    if (values > values_max) throw tooMany();
  }
}

function tooMany(): CaxtonError {
  const detail = `The body has more than ${values_max} values`;
  return new CaxtonError("invalid_body", `${detail}: send large data as text or base64`);
}

/** Where the string that opens at `open` closes, or the end of the text. */
function closingQuote(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close !== -1; close = text.indexOf('"', close + 1)) {
    let slashes = 0;
    while (text.charCodeAt(close - 1 - slashes) === 92) slashes++;
    if (slashes % 2 === 0) return close;
  }
  return text.length;
}

/** Where the text stops being JSON, or null when it is JSON. Depth is bounded before. */
function errorOffset(text: string): number | null {
  const scan = new Scan(text);
  try {
    scan.value();
    scan.space();
    return scan.at < text.length ? scan.at : null;
  } catch (error) {
    if (error instanceof Stop) return error.offset;
    throw error;
  }
}

class Stop extends Error {
  constructor(readonly offset: number) {
    super("not JSON");
  }
}

class Scan {
  at = 0;
  readonly #literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
  readonly #escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

  constructor(readonly text: string) {}

  space(): void {
    while (this.at < this.text.length && " \t\r\n".includes(this.text[this.at] as string)) this.at++;
  }

  value(): void {
    this.space();
    const first = this.text[this.at];
    if (first === "{") {
      this.#list("}", () => {
        this.#string();
        this.space();
        this.#expect(":");
        this.value();
      });
    } else if (first === "[") this.#list("]", () => this.value());
    else if (first === '"') this.#string();
    else this.#match(this.#literal);
  }

  #list(close: string, item: () => void): void {
    this.at++;
    this.space();
    if (this.text[this.at] === close) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.space();
      if (this.text[this.at] === close) break;
      this.#expect(",");
      this.space();
    }
    this.at++;
  }

  #string(): void {
    this.#expect('"');
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === 34) break;
      if (code === 92) this.#match(this.#escape);
      else if (Number.isNaN(code) || code < 0x20) throw new Stop(this.at);
      else this.at++;
    }
    this.at++;
  }

  #expect(character: string): void {
    if (this.text[this.at] !== character) throw new Stop(this.at);
    this.at++;
  }

  #match(pattern: RegExp): void {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) throw new Stop(this.at);
    this.at += match[0].length;
  }
}
