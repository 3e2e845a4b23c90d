/** SHA-256 without a trip to another thread (1.6 µs instead of some 60 on Bun): for nodes, not for edge functions. */
import { createHash } from "node:crypto";
import type { HashText } from "./tokens-hash.ts";

export const hashTextNative: HashText = (text) => createHash("sha256").update(text).digest("latin1");
