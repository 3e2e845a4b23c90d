import { defineConfig } from "vitest/config";

const onBun = process.versions["bun"] !== undefined;

export default defineConfig({
  test: {
    include: ["test/{unit,ports,scenario,sim,e2e}/**/*.test.ts"],
    // Threads are what works on Bun; processes elsewhere.
    pool: onBun ? "threads" : "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
