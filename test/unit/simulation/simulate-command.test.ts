import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "../../support/cli-world.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "caxton-simulate-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const caxton = (...args: readonly string[]) => runInProcess(["simulate", ...args], { HOME: folder });

interface Printed {
  readonly hash: string;
  readonly violation: unknown;
  readonly scenario: { readonly nodes: number; readonly faults: readonly unknown[] };
}

describe("caxton simulate", () => {
  test("prints the seed first, then a timeline and what held", async () => {
    const { exit, stdout, stderr } = await caxton(
      "--nodes",
      "4",
      "--seed",
      "7",
      "--duration",
      "20s",
      "--faults",
      "none",
    );
    expect(exit).toBe(0);
    expect(stderr.split("\n")[0]).toBe("seed 7");
    expect(stdout).toContain("all 4 nodes agree on who is there");
    expect(stdout).toMatch(/held +packet-size/);
    expect(stdout).toMatch(/speed .* virtual seconds a real second/);
  });

  test("gives the same run for the same seed, and plays a file with the flags on top", async () => {
    const file = join(folder, "scenario.json");
    const faults = [{ at: "5s", for: "4s", fault: "crash", nodes: "n2" }];
    writeFileSync(file, JSON.stringify({ seed: 3, nodes: 4, duration: "12s", faults }));
    const play = async (...flags: readonly string[]): Promise<Printed> =>
      JSON.parse((await caxton("--scenario", file, "--format", "json", ...flags)).stdout) as Printed;
    const [one, two, larger] = [await play(), await play(), await play("--nodes", "5")];
    expect(two.hash).toBe(one.hash);
    expect([larger.scenario.nodes, larger.scenario.faults.length]).toEqual([5, 1]);
    expect(larger.hash).not.toBe(one.hash);
  });

  test("plays Raft alone over many seeds, and says what it has seen", async () => {
    const { exit, stdout, stderr } = await caxton("--raft", "5", "--seed", "3");
    expect(exit).toBe(0);
    expect(stderr.split("\n")[0]).toBe("seed 3");
    expect(stdout).toMatch(/^5 worlds: \d+ entries committed/);
    expect(stdout).toContain("every invariant held");
  });

  test("exits 1 when an invariant broke, and leaves a smaller scenario that breaks it again", async () => {
    // Nodes that lose half of everything are beyond what the protocol promises: some invariant breaks.
    const file = join(folder, "scenario.json");
    const saved = join(folder, "small.json");
    const faults = [{ at: "20s", fault: "crash", nodes: "n2" }];
    const network = { loss: 0.9 };
    writeFileSync(file, JSON.stringify({ seed: 3, nodes: 5, duration: "2m", network, faults }));
    const failed = await caxton("--scenario", file, "--save", saved);
    expect(failed.exit).toBe(1);
    expect(failed.stdout).toContain(`caxton simulate --scenario ${saved}`);
    expect(failed.stderr).toMatch(/Looking for a smaller scenario, for \d+ s at most\n/);
    expect(failed.stderr).toMatch(/small\.json has \d nodes? and \d faults? in .*, after \d+ runs?\n$/);
    const small = JSON.parse(readFileSync(saved, "utf8")) as { readonly duration: string };
    expect(small.duration).not.toBe("2m");
    expect(
      (await caxton("--scenario", saved, "--save", join(folder, "again.json"), "--no-shrink")).exit,
    ).toBe(1);
  });

  test.each([
    [["--faults", "crash,flod"], '"flod" is not one of crash'],
    [["--nodes", "0"], "whole number from 1"],
    [["--loss", "101"], "percentage"],
    [["--scenario", "/nowhere.json"], "Cannot read scenario"],
  ])("refuses %j with a sentence", async (args, text) => {
    const { exit, stderr } = await caxton(...args);
    expect([exit, stderr.includes(text)]).toEqual([2, true]);
  });
});
