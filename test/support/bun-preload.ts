/**
 * For `bun test` (bunfig.toml): a deadline means "hangs", not "slow", as under vitest. Bun has no setting
 * for it, and what a preload sets holds for the first file only; so each file sets it, as it is loaded.
 */
import { plugin } from "bun";
import { readFileSync } from "node:fs";
import { testLimit_ms } from "./patience.ts";

/** On the first line, so that line numbers stay. */
const prologue = `(await import("bun:test")).setDefaultTimeout(${testLimit_ms}); `;

plugin({
  name: "deadline",
  setup: (build) => {
    build.onLoad({ filter: /\.test\.ts$/ }, ({ path }) => ({
      contents: prologue + readFileSync(path, "utf8"),
      loader: "ts",
    }));
  },
});
