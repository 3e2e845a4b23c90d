import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { faultNames, randomFaults } from "../../../src/simulation/random-schedule.ts";
import { regionPlans, type Scenario } from "../../../src/simulation/scenario.ts";
import { formatScenario, parseScenario } from "../../../src/simulation/scenario-file.ts";
import { timingProfiles } from "../../../src/swim/timing.ts";

const probability = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => Math.abs(value));
const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    seed: fc.nat(2 ** 32 - 1),
    nodes: fc.integer({ min: 1, max: 60 }),
    regions: fc.constantFrom(...regionPlans),
    profile: fc.constantFrom(...timingProfiles),
    duration_ms: fc.integer({ min: 1, max: 300_000 }),
    agents: fc.nat(10),
    network: fc.record({
      loss: probability,
      duplication: probability,
      reordering: probability,
      corruption: probability,
    }),
  })
  .map((base) => ({ ...base, faults: randomFaults(base, faultNames, 1_000) }));

const least = { seed: 1, nodes: 3, duration: "10s", faults: [] };
const withFault = (fault: object): string => JSON.stringify({ ...least, faults: [fault] });

describe("a scenario file", () => {
  test("says exactly what was played, random faults of every kind included", () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        expect(parseScenario(formatScenario(scenario), "x")).toEqual(scenario);
      }),
      { numRuns: 60 },
    );
  });

  test("needs little", () => {
    expect(parseScenario(JSON.stringify(least), "x")).toEqual({
      seed: 1,
      nodes: 3,
      regions: "one",
      profile: "lan",
      duration_ms: 10_000,
      agents: 0,
      network: { loss: 0, duplication: 0, reordering: 0, corruption: 0 },
      faults: [],
    });
  });

  test.each([
    ["not JSON", "{", "is not JSON"],
    ["an unknown field", JSON.stringify({ ...least, speed: 2 }), "speed"],
    ["too many nodes", JSON.stringify({ ...least, nodes: 100_000 }), "nodes"],
    ["a duration of another kind", JSON.stringify({ ...least, duration: 10 }), "duration"],
    ["an unknown fault", withFault({ at: "1s", fault: "flood", nodes: "n1" }), "faults.0.fault"],
    [
      "a probability above 1",
      withFault({ at: "1s", fault: "degrade", nodes: "n1", loss: 2 }),
      "faults.0.loss",
    ],
    ["a fault without nodes", withFault({ at: "1s", fault: "pause" }), "faults.0.nodes"],
  ])("with %s is refused with the place", (_what, text, place) => {
    expect(() => parseScenario(text, "x.json")).toThrow(CaxtonError);
    expect(() => parseScenario(text, "x.json")).toThrow(place);
  });

  test("is read or refused, whatever its bytes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseScenario(text, "x");
        } catch (error) {
          expect(error).toBeInstanceOf(CaxtonError);
        }
      }),
    );
  });
});
