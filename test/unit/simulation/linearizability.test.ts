import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import {
  checkHistory,
  type HistoryEntry,
  type RegisterOperation,
} from "../../../src/simulation/linearizability.ts";
import { isLinearizable } from "../../support/consensus-nodes.ts";

function done(
  called: number,
  returned: number,
  operation: RegisterOperation,
  output: number | null = null,
): HistoryEntry {
  return { client: "c", key: "k", operation, called, returned, output };
}

const write = (value: number): RegisterOperation => ({ kind: "write", value });
const swap = (expected: number, value: number): RegisterOperation => ({ kind: "swap", expected, value });
const read: RegisterOperation = { kind: "read" };

function verdict(...history: HistoryEntry[]): string {
  return checkHistory(history).kind;
}

describe("linearizability", () => {
  test("operations one after another", () => {
    expect(verdict(done(1, 2, write(1)), done(3, 4, read, 1))).toBe("linearizable");
    expect(verdict(done(1, 2, write(1)), done(3, 4, read, 0))).toBe("violation");
  });

  test("a read beside a write may see it or not, but not go back", () => {
    const slow = done(1, 10, write(1));
    expect(verdict(slow, done(2, 3, read, 0), done(4, 5, read, 1))).toBe("linearizable");
    expect(verdict(slow, done(2, 3, read, 1), done(4, 5, read, 0))).toBe("violation");
  });

  test("a write that nobody answered may have happened at any time, or never", () => {
    const lost = done(1, Infinity, write(1));
    expect(verdict(lost, done(2, 3, read, 0), done(8, 9, read, 1))).toBe("linearizable");
    expect(verdict(lost, done(2, 3, read, 0))).toBe("linearizable");
    expect(verdict(lost, done(2, 3, read, 1), done(4, 5, read, 0))).toBe("violation");
  });

  test("a swap says whether it wrote", () => {
    expect(verdict(done(1, 2, swap(0, 5), 1), done(3, 4, swap(0, 6), 0), done(5, 6, read, 5))).toBe(
      "linearizable",
    );
    expect(verdict(done(1, 2, swap(0, 5), 1), done(3, 4, swap(0, 6), 1))).toBe("violation");
    // Applied twice: the second time it finds its own value.
    expect(verdict(done(1, 9, swap(0, 5), 0), done(10, 11, read, 5))).toBe("violation");
  });

  test("keys do not touch each other, and the key is told", () => {
    const other = { ...done(1, 2, read, 3), key: "other" };
    const found = checkHistory([done(1, 2, write(1)), other]);
    expect(found).toMatchObject({ kind: "violation", key: "other" });
  });

  test("a search that takes too long is given up", () => {
    const many = Array.from({ length: 40 }, (_, i) => done(1, 100, write(i + 1)));
    expect(checkHistory([...many, done(101, 102, read, 99)], 1_000).kind).toBe("undecided");
  });

  test("a history of thousands by eight clients, true and then with one stale read", () => {
    const prng = new Prng(4);
    const history: HistoryEntry[] = [];
    let value = 0;
    for (let moment = 10; history.length < 8_000; moment += 2) {
      // Each takes effect at its moment, within a span that overlaps with several others'.
      const [called, returned] = [moment - prng.float() * 8, moment + prng.float() * 8];
      const draw = prng.float();
      if (draw < 0.5) history.push(done(called, returned, read, value));
      else if (draw < 0.8) history.push(done(called, returned, write((value = moment))));
      else {
        const expected = prng.chance(0.5) ? value : value - 2;
        history.push(done(called, returned, swap(expected, moment), expected === value ? 1 : 0));
        if (expected === value) value = moment;
      }
    }
    expect(checkHistory(history).kind).toBe("linearizable");
    const last = Math.max(...history.map(({ returned }) => (returned === Infinity ? 0 : returned)));
    expect(checkHistory([...history, done(last + 1, last + 2, read, 1)]).kind).toBe("violation");
  });
});

describe("a history of real clients, some of whose writes were never answered", () => {
  const never = (called: number, operation: RegisterOperation): HistoryEntry =>
    done(called, Number.POSITIVE_INFINITY, operation);

  test("a write that only an unanswered swap can have met is not left out, when that swap's value was read", () => {
    const met = [never(1, write(1)), never(2, swap(1, 2)), done(3, 4, read, 2)];
    expect(isLinearizable(met)).toBe(true);
    // In a chain of them, too.
    const chain = [never(1, write(1)), never(2, swap(1, 2)), never(3, swap(2, 3)), done(4, 5, read, 3)];
    expect(isLinearizable(chain)).toBe(true);
  });

  test("what nobody can have met is left out, and a value from nowhere is a violation", () => {
    expect(isLinearizable([never(1, write(1)), done(2, 3, write(2)), done(4, 5, read, 2)])).toBe(true);
    expect(() => isLinearizable([never(2, swap(1, 2)), done(3, 4, read, 2)])).toThrow("violation");
  });
});
