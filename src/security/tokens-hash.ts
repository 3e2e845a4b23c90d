/**
 * SHA-256 of a token, the key under which a checked one is remembered. Web Crypto's is everywhere but
 * takes a trip to another thread; a node passes its runtime's own (`tokens-hash-native.ts`).
 */
import { encodeUtf8 } from "../wire/cursor.ts";

export type HashText = (text: string) => string | Promise<string>;

export const hashText: HashText = async (text) => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encodeUtf8(text)));
  return String.fromCharCode(...digest);
};
