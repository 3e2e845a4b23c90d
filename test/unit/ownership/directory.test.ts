import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Directory } from "../../../src/ownership/directory.ts";
import { removalsLimit } from "../../../src/ownership/owner-claims.ts";
import type { DirectoryChange } from "../../../src/wire/gossip-directory.ts";

const module = "ab".repeat(32) as ModuleHash;
const [a, b] = ["node-a" as NodeId, "node-b" as NodeId];
const agent = (name: string | number): AgentName => `agent-${name}` as AgentName;
const claimOf = (name: string | number, epoch = 1, revision = 1) =>
  ({ agent: agent(name), epoch, revision, status: "running", module }) as const;

/** All that `from` knows goes to `to`: chunks, then what is ahead of a gap. */
function mergeInto(to: Directory, from: Directory): void {
  for (const { owner, head } of from.heads()) {
    to.begin(owner, head.boot);
    const known = to.head(owner);
    const since = known?.boot === head.boot ? known.complete : 0;
    for (const chunk of from.chunksSince(owner, head.boot, since, 1_000)) to.takeChunk(chunk);
    for (const change of from.earlyChanges(owner)) to.take(owner, head.boot, change);
  }
}

/**
 * What can be seen of it. Left out: how much of a gap is known. A change that was overtaken before the gap
 * closed is not passed on, so that two copies may differ in it; that costs a pull, and is never seen.
 */
function seen(directory: Directory): unknown {
  return [...directory.entries()].sort((x, y) => (x.agent < y.agent ? -1 : 1));
}

/** What can be seen, and how complete it is. */
function view(directory: Directory): unknown {
  return { seen: seen(directory), heads: directory.heads().sort((x, y) => (x.owner < y.owner ? -1 : 1)) };
}

interface Step {
  readonly owner: NodeId;
  readonly agent: number;
  readonly epoch: number;
  readonly remove: boolean;
  readonly restart: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  owner: fc.constantFrom(a, b),
  agent: fc.integer({ min: 0, max: 8 }),
  epoch: fc.integer({ min: 1, max: 3 }),
  remove: fc.boolean(),
  restart: fc.integer({ min: 0, max: 19 }).map((dice) => dice === 0),
});
const history = fc.array(step, { maxLength: 60 });

/** The owners' own directories after the steps, and every change that they made. */
function play(steps: readonly Step[]): { readonly whole: Directory; readonly changes: Made[] } {
  const whole = new Directory();
  const boots = new Map([
    [a, 1],
    [b, 1],
  ]);
  const changes: Made[] = [];
  for (const { owner, agent: name, epoch, remove, restart } of steps) {
    if (restart) boots.set(owner, (boots.get(owner) ?? 0) + 1);
    const boot = boots.get(owner) ?? 1;
    const made = whole.announce(
      owner,
      boot,
      remove ? [] : [claimOf(name, epoch)],
      remove ? [agent(name)] : [],
    );
    changes.push(...made.map((change) => ({ owner, boot, change })));
  }
  return { whole, changes };
}

interface Made {
  readonly owner: NodeId;
  readonly boot: number;
  readonly change: DirectoryChange;
}

/** A copy that heard some of the changes, in some order. */
function hearing(changes: readonly Made[], seed: number): Directory {
  const prng = new Prng(seed);
  const copy = new Directory();
  const heard = prng.shuffle(changes.filter(() => prng.chance(0.6)));
  for (const { owner, boot, change } of heard) copy.take(owner, boot, change);
  return copy;
}

describe("merging directories", () => {
  const seeds = fc.tuple(fc.nat(), fc.nat(), fc.nat());

  test("gives the same in either order, in any grouping, and twice is once", () => {
    fc.assert(
      fc.property(history, seeds, (steps, [one, two, three]) => {
        const { changes } = play(steps);
        const copy = (seed: number): Directory => hearing(changes, seed);
        const join = (...parts: Directory[]): Directory => {
          const joined = new Directory();
          for (const part of parts) mergeInto(joined, part);
          return joined;
        };
        const [x, y, z] = [copy(one), copy(two), copy(three)];
        expect(seen(join(x, y))).toEqual(seen(join(y, x)));
        expect(seen(join(join(x, y), z))).toEqual(seen(join(x, join(y, z))));
        expect(seen(join(x, x))).toEqual(seen(join(x)));
        expect(seen(join(join(x, y), y))).toEqual(seen(join(x, y)));
      }),
      { numRuns: 300 },
    );
  });

  test("with the owners' own lists ends in them, whatever was heard before", () => {
    fc.assert(
      fc.property(history, fc.nat(), (steps, seed) => {
        const { whole, changes } = play(steps);
        const copy = hearing(changes, seed);
        mergeInto(copy, whole);
        expect(view(copy)).toEqual(view(whole));
      }),
      { numRuns: 300 },
    );
  });

  test("reports exactly the differences of the winners", () => {
    fc.assert(
      fc.property(history, fc.nat(), (steps, seed) => {
        const { whole, changes } = play(steps);
        const copy = new Directory();
        const mirror = new Map<AgentName, unknown>();
        const follow = (): void => {
          const difference = copy.takeDifference();
          for (const entry of difference?.changed ?? []) mirror.set(entry.agent, entry);
          for (const entry of difference?.removed ?? []) mirror.delete(entry.agent);
        };
        for (const { owner, boot, change } of new Prng(seed).shuffle([...changes])) {
          copy.take(owner, boot, change);
          follow();
        }
        mergeInto(copy, whole);
        copy.setAbsent(a, true);
        follow();
        expect(new Map([...copy.entries()].map((entry) => [entry.agent, entry]))).toEqual(mirror);
        copy.setAbsent(a, false);
        copy.forget(b);
        follow();
        expect(new Map([...copy.entries()].map((entry) => [entry.agent, entry]))).toEqual(mirror);
      }),
      { numRuns: 200 },
    );
  });
});

describe("the directory", () => {
  test("the higher epoch wins, then the higher node id; an owner that left does not count", () => {
    const directory = new Directory();
    directory.announce(a, 1, [claimOf("x", 2)], []);
    directory.announce(b, 1, [claimOf("x", 1)], []);
    expect(directory.locate(agent("x"))?.node).toBe(a);
    directory.announce(b, 1, [claimOf("x", 2)], []);
    expect(directory.locate(agent("x"))?.node).toBe(b);
    directory.setAbsent(b, true);
    expect(directory.locate(agent("x"))?.node).toBe(a);
    directory.setAbsent(b, false);
    expect(directory.locate(agent("x"))?.node).toBe(b);
  });

  test("an announcement that changes nothing makes no change", () => {
    const directory = new Directory();
    expect(directory.announce(a, 1, [claimOf("x")], [agent("y")])).toHaveLength(1);
    expect(directory.announce(a, 1, [claimOf("x")], [agent("y")])).toHaveLength(0);
  });

  test("a new life ends the claims of the old one, and news of the old one is ignored", () => {
    const directory = new Directory();
    const [old] = directory.announce(a, 1, [claimOf("x")], []);
    directory.begin(a, 2);
    expect(directory.locate(agent("x"))).toBeUndefined();
    expect(old && directory.take(a, 1, old)).toBe(false);
    expect(directory.locate(agent("x"))).toBeUndefined();
  });

  test("10,000 agents travel in chunks, and later a single change as one", () => {
    const owner = new Directory();
    owner.announce(
      a,
      1,
      Array.from({ length: 10_000 }, (_, i) => claimOf(i)),
      [],
    );
    const chunks = owner.chunksSince(a, 1, 0, 100);
    expect(chunks).toHaveLength(20);
    const copy = new Directory();
    for (const chunk of chunks) expect(copy.takeChunk(chunk)).toBe(true);
    expect([...copy.entries()]).toHaveLength(10_000);
    owner.announce(a, 1, [claimOf(5, 2)], []);
    const [delta, ...more] = owner.chunksSince(a, 1, 10_000, 100);
    expect(more).toEqual([]);
    expect(delta?.changes).toHaveLength(1);
    expect(delta && copy.takeChunk(delta)).toBe(true);
    expect(copy.compare(a, owner.head(a) ?? { boot: 0, complete: 0, hash: 0 })).toBe("same");
  });

  test("whoever is behind more removals than are kept gets the whole list, and loses what is gone", () => {
    const owner = new Directory();
    const names = Array.from({ length: removalsLimit + 100 }, (_, i) => i);
    owner.announce(
      a,
      1,
      names.map((name) => claimOf(name)),
      [],
    );
    const copy = new Directory();
    mergeInto(copy, owner);
    owner.announce(a, 1, [], names.slice(1).map(agent));
    mergeInto(copy, owner);
    expect([...copy.entries()].map((entry) => entry.agent)).toEqual([agent(0)]);
    expect(copy.head(a)).toEqual(owner.head(a));
  });

  test("a false copy is seen by its hash", () => {
    const [owner, copy] = [new Directory(), new Directory()];
    owner.announce(a, 1, [claimOf("x")], []);
    copy.announce(a, 1, [claimOf("lie")], []);
    expect(copy.compare(a, owner.head(a) ?? { boot: 0, complete: 0, hash: 0 })).toBe("contradicts");
  });

  test("a chunk that leaves a gap changes nothing", () => {
    const [owner, copy] = [new Directory(), new Directory()];
    owner.announce(a, 1, [claimOf("x"), claimOf("y")], []);
    const [chunk] = owner.chunksSince(a, 1, 1, 1);
    expect(chunk && copy.takeChunk(chunk)).toBe(false);
    expect(copy.locate(agent("y"))).toBeUndefined();
  });
});
