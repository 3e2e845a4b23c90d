import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { Setting } from "../../../../src/wire/control-setting.ts";
import { Removals, type RemovalsOptions } from "../../../../src/node/operator/removals.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

const id = (name: string): NodeId => name as NodeId;
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
};

/** Settings of a cluster, and what a node's membership is told of them. */
class Ground {
  readonly clock = new VirtualClock();
  readonly settings = new Map<string, Setting>();
  readonly told: string[] = [];
  readonly failures: string[] = [];
  standing: string | null = "voter";
  reads = 0;
  broken = false;
  #watched = 1;
  #changed = (): void => undefined;
  readonly removals: Removals;

  constructor() {
    const options = {
      store: {
        put: async (name: string, value: string) => {
          await Promise.resolve();
          this.set(name, value);
        },
        delete: async (name: string) => {
          await Promise.resolve();
          this.settings.delete(name);
        },
        list: async () => {
          await Promise.resolve();
          this.reads++;
          if (this.broken) throw new CaxtonError("unavailable", "no log");
          return [...this.settings.values()];
        },
      },
      consensus: {
        status: () => ({ watched: this.#watched, standing: this.standing, leader: "n1" }),
        onStatus: (changed: () => void) => {
          this.#changed = changed;
          return () => undefined;
        },
      },
      membership: {
        removals: (lives: readonly { readonly node: NodeId; readonly boot: number }[]) =>
          void this.told.push(lives.map(({ node, boot }) => `${node} ${boot}`).join()),
      },
      clock: this.clock,
      failed: (what: string, reason: string) => void this.failures.push(`${what}: ${reason}`),
    } as unknown as RemovalsOptions;
    this.removals = new Removals(options);
  }

  set(name: string, value: string): void {
    const version = ++this.#watched;
    this.settings.set(name, { name, value, version });
    this.#changed();
  }

  async pass(ms: number): Promise<void> {
    await settled();
    this.clock.advance(ms);
    await settled();
  }
}

describe("the removals of the log", () => {
  test("are told to membership as they change, and other settings are not", async () => {
    const ground = new Ground();
    await ground.removals.decide(id("n3"), 7);
    await ground.pass(200);
    ground.set("operator.isolated.n4", "yes");
    ground.set("operator.removed.n 5", "1");
    ground.set("operator.removed.n6", "soon");
    await ground.pass(200);
    await ground.removals.decide(id("n3"), 9);
    await ground.pass(200);
    expect(ground.told).toEqual(["n3 7", "n3 9"]);
    ground.removals.close();
  });

  test("that cannot be read are read again", async () => {
    const ground = new Ground();
    ground.broken = true;
    ground.set("operator.removed.n3", "7");
    await ground.pass(200);
    ground.broken = false;
    await ground.pass(6_000);
    await ground.pass(200);
    expect(ground.failures).toEqual(["read which nodes were removed: no log"]);
    expect(ground.told).toEqual(["n3 7"]);
    ground.removals.close();
  });

  test("are asked for by who keeps no log, and by nobody else without need", async () => {
    for (const [standing, most] of [
      ["witness", 10],
      ["learner", 1],
    ] as const) {
      const ground = new Ground();
      ground.standing = standing;
      for (let second = 0; second < 31; second++) await ground.pass(1_000);
      expect(ground.reads > 4, standing).toBe(standing === "witness");
      expect(ground.reads).toBeLessThanOrEqual(most);
      ground.removals.close();
    }
  });

  test("are the newest hundred", async () => {
    const ground = new Ground();
    for (let n = 0; n < 105; n++) await ground.removals.decide(id(`n${n}`), n);
    expect(ground.settings.size).toBe(100);
    expect(ground.settings.has("operator.removed.n4")).toBe(false);
    expect(ground.settings.has("operator.removed.n104")).toBe(true);
    ground.removals.close();
  });
});
