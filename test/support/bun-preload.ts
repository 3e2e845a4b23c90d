/** For `bun test` (bunfig.toml): a deadline means "hangs", not "slow", as under vitest. */
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(30_000);
