/** What a node says of seeds that do not let it in. */
import { expect, test } from "vitest";
import { JoinTroubles } from "../../../../src/node/joining/join-troubles.ts";

const seeds = [
  { host: "10.0.0.1", port: 7946 },
  { host: "node-2", port: 7946 },
];

function troubles() {
  const lines: string[] = [];
  return { lines, troubles: new JoinTroubles(seeds, (text) => lines.push(text)) };
}

test("the same reason is told again ever more rarely, and never no more; another one at once", () => {
  const { lines, troubles: told } = troubles();
  const times: number[] = [];
  for (let second = 0; second < 4 * 3_600; second += 10) {
    const before = lines.length;
    told.add("10.0.0.1:7946", "wrong key", true, second * 1_000);
    if (lines.length > before) times.push(second);
  }
  expect(times.slice(0, 7)).toEqual([0, 30, 90, 210, 450, 930, 1_890]);
  expect(times.slice(-2)).toEqual([10_890, 12_690]);
  expect(lines[0]).toBe("Cannot join 10.0.0.1:7946: wrong key; trying on");
  told.add("10.0.0.1:7946", "name taken", false, 4 * 3_600_000);
  expect(lines.at(-1)).toBe("Cannot join 10.0.0.1:7946: name taken; trying on");
});

test("what it waits for has the last reason of each seed; strangers are not its trouble", () => {
  const { lines, troubles: told } = troubles();
  expect(told.waiting()).toBe("waits for a seed to let it in (10.0.0.1:7946; node-2:7946)");
  told.add("10.9.9.9:1", "wrong key", true, 0);
  expect([lines, told.alone()]).toEqual([[], null]);
  told.add("node-2:7946", "name taken", false, 0);
  told.add("node-2:7946", "connection refused", false, 1);
  expect(told.waiting()).toBe("waits for a seed to let it in (node-2:7946: connection refused)");
});

test("only seeds of another cluster make a node that has one alone", () => {
  const { troubles: told } = troubles();
  told.add("node-2:7946", "connection refused", false, 0);
  expect(told.alone()).toBeNull();
  told.add("10.0.0.1:7946", "another cluster of the same name", true, 0);
  expect(told.alone()).toContain("(10.0.0.1:7946: another cluster of the same name)");
  told.add("10.0.0.1:7946", "connection refused", false, 1);
  expect(told.alone()).toBeNull();
});
