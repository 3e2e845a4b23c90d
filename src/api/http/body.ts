/** Request bodies: read piece by piece and given up at the limit, never first read whole and then measured. */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { formatSize } from "../../base/sizes.ts";
import { WireError, decodeUtf8 } from "../../wire/cursor.ts";
import { parseJson } from "./json-text.ts";

/**
 * The whole body. Throws `payload_too_large` as soon as it is known to be, and `unsupported_media_type` for
 * one that is compressed: its size would be no bound, and taken as it is it would be something else.
 */
export async function readBody(request: Request, limit_bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const encoding = request.headers.get("content-encoding") ?? "";
  if (encoding !== "" && encoding.toLowerCase() !== "identity") {
    throw new CaxtonError(
      "unsupported_media_type",
      `Content-Encoding ${quote(encoding)} is not accepted: send the body as it is, without encoding`,
    );
  }
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit_bytes) throw tooLarge(limit_bytes);
  if (request.body === null) return new Uint8Array(0);
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > limit_bytes) throw tooLarge(limit_bytes);
      parts.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    if (error instanceof CaxtonError) throw error;
    throw new CaxtonError("invalid_body", "The body ended early", { cause: error });
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Refuses another media type (`unsupported_media_type`), a body that is not UTF-8 or not JSON (`invalid_body`). */
export async function readJson(request: Request, limit_bytes: number): Promise<unknown> {
  const type = mediaType(request);
  if (type !== "application/json") {
    const given = type === "" ? "none was given" : `not ${type.slice(0, 80)}`;
    throw new CaxtonError("unsupported_media_type", `The body must be application/json, ${given}`);
  }
  const bytes = await readBody(request, limit_bytes);
  if (bytes.length === 0) throw new CaxtonError("invalid_body", "The body is empty, expected JSON");
  try {
    return parseJson(decodeUtf8(bytes));
  } catch (error) {
    if (error instanceof WireError) throw new CaxtonError("invalid_body", "The body is not valid UTF-8");
    throw error;
  }
}

/** Lower-case type without parameters; empty when there is none. */
export function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function tooLarge(limit_bytes: number): CaxtonError {
  return new CaxtonError("payload_too_large", `The body is larger than ${formatSize(limit_bytes)}`);
}
