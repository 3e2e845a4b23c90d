/**
 * Some of the faults of `bun run drill:faults` on five real nodes, in the thorough form: what clients were promised is kept.
 * `CAXTON_TEST_ROUNDS` is how many, `CAXTON_TEST_SEED` which. Needs root, iproute2 and nftables; says so when it cannot run.
 */
import { expect, test } from "vitest";
import { drillFaults } from "../support/fault-drill.ts";
import { canFilter } from "../support/firewalled-node.ts";
import { canMakeNamespaces } from "../support/namespaces.ts";
import { thorough } from "../support/thorough.ts";

const possible = canMakeNamespaces() && canFilter();
if (!possible) console.warn("mixed-faults.test.ts is not run: it needs root, iproute2 and nftables");
const faults = Number(process.env["CAXTON_TEST_ROUNDS"] ?? 4);
const seed = Number(process.env["CAXTON_TEST_SEED"] ?? 3);

test.runIf(possible && thorough)(
  "five nodes under mixed faults: no acknowledged write lost, no message counted twice, one history, equal replicas",
  async () => {
    const told = await drillFaults({
      seed,
      faults,
      until_ms: Number.POSITIVE_INFINITY,
      log: (line) => console.log(line),
    });
    expect(told[0]).toBe(`${faults} faults`);
  },
  faults * 240_000,
);
