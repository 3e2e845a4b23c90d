/** Deflate for frames between nodes (RFC 1951, no header), with an end to what a few bytes may become. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Deflate } from "../../wire/packed-frame.ts";

export const rawDeflate: Deflate = {
  deflate: (bytes) => deflateRawSync(bytes),
  inflate(bytes, limit_bytes) {
    try {
      const inflated = inflateRawSync(bytes, { maxOutputLength: limit_bytes });
      return inflated.length <= limit_bytes ? inflated : undefined;
    } catch {
      return undefined;
    }
  },
};
