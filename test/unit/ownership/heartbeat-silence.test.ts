import fc from "fast-check";
import { expect, test } from "vitest";
import {
  offlineAfter_ms,
  silence_ms,
  stateBySilence,
  unhealthyAfter_ms,
} from "../../../src/ownership/heartbeat-silence.ts";
import { registeredStates } from "../../../src/wire/control-registration.ts";

test.each([
  [0, "online"],
  [unhealthyAfter_ms - 1, "online"],
  [unhealthyAfter_ms, "unhealthy"],
  [offlineAfter_ms - 1, "unhealthy"],
  [offlineAfter_ms, "offline"],
])("%i ms of silence mean %s", (silent_ms, state) => {
  expect(stateBySilence(silent_ms)).toBe(state);
});

const at = fc.nat(1e9);

test("a new leader, which has heard nothing, goes on from what was decided: no node gets better by it", () => {
  fc.assert(
    fc.property(fc.constantFrom(...registeredStates), at, at, (state, first_ms, later_ms) => {
      const silent_ms = silence_ms({ state, at_ms: first_ms }, null, first_ms + later_ms);
      const now = stateBySilence(silent_ms);
      expect(registeredStates.indexOf(now)).toBeGreaterThanOrEqual(registeredStates.indexOf(state));
    }),
  );
});

test("a change of leader judges no node earlier than its last leader would have", () => {
  fc.assert(
    fc.property(at, at, at, (heard_ms, changed_ms, now_ms) => {
      const [heard, changed, now] = [heard_ms, heard_ms + changed_ms, heard_ms + changed_ms + now_ms];
      const first = { state: "online" as const, at_ms: heard };
      const decided = stateBySilence(silence_ms(first, heard, changed));
      const before = silence_ms(first, heard, now);
      const after = silence_ms({ state: decided, at_ms: changed }, null, now);
      expect(after).toBeLessThanOrEqual(before);
    }),
  );
});

test("a heartbeat counts from when it came, whatever was decided before", () => {
  expect(silence_ms({ state: "offline", at_ms: 0 }, 5_000, 6_000)).toBe(1_000);
  // A clock that is asked twice in one turn.
  expect(silence_ms({ state: "online", at_ms: 0 }, 5_000, 4_999)).toBe(0);
});
