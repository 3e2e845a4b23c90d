import { describe, expect, test } from "vitest";
import { runLeases } from "../../src/simulation/leases/world.ts";
import { thorough } from "../support/thorough.ts";

/** `CAXTON_SIM_SEEDS=n` tries n seeds from `CAXTON_SIM_FROM` on. */
const given = Number(process.env["CAXTON_SIM_SEEDS"] ?? 0);
const first = Number(process.env["CAXTON_SIM_FROM"] ?? 1);
const usual = thorough ? 12 : 4;
const seeds = given > 0 ? given : usual;
const limit_ms = 60_000;
const total = { permissions: 0, tenures: 0 };

describe("in worlds of leases no two nodes ever act for one agent", () => {
  for (let seed = first; seed < first + seeds; seed++) {
    test(
      `seed ${seed}`,
      async () => {
        const { violation, permissions, tenures } = await runLeases(seed);
        expect({ seed, violation }).toEqual({ seed, violation: null });
        total.permissions += permissions;
        total.tenures += tenures;
      },
      limit_ms,
    );
  }

  // Otherwise the worlds above prove nothing.
  test("and leases are lost, given back, and agents given away", () => {
    expect(total.permissions).toBeGreaterThan(5 * seeds);
    expect(total.tenures).toBeGreaterThan(5 * seeds);
  });
});
