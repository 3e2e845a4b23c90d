/** The operating system's random generator, on Bun, Deno and Node. */
import { randomFillSync } from "node:crypto";
import type { Entropy } from "../../ports/entropy.ts";

export const systemEntropy: Entropy = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
};
