import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import {
  type LeaseCandidate,
  LeaseSilence,
  type SilenceVerdict,
  unheardAfter_ms,
} from "../../../src/ownership/lease-silence.ts";

const node = (id: string) => id as NodeId;
const terms = { ttl_ms: 2_000, drift: 0.05 };
const nothing = { lost: [], heard: [] };

/** A leader that looks once a second at n2 and n3, which are there for as long as it leads. */
class Leader {
  readonly silence = new LeaseSilence(terms);
  readonly unheard = new Set<NodeId>();
  now_ms = 0;
  leading_ms = 60_000;
  present_ms: number | null = 60_000;
  boot = 1;
  /** Ages of the leases of n2 and n3, both of boot 1; null: none was granted. */
  ages: (number | null)[] = [500, 500];
  members = ["n2", "n3"];

  look(): SilenceVerdict {
    this.now_ms += 1_000;
    const heard = this.ages.flatMap((ago_ms, i) =>
      ago_ms === null ? [] : [{ node: node(`n${i + 2}`), boot: 1, ago_ms }],
    );
    const { boot, present_ms } = this;
    const candidates = this.members.map((id): LeaseCandidate => {
      const isSecond = id === "n2";
      return { node: node(id), boot: isSecond ? boot : 1, present_ms: isSecond ? present_ms : 60_000 };
    });
    const ages = { leading_ms: this.leading_ms, heard };
    const verdict = this.silence.look(ages, candidates, this.unheard, this.now_ms);
    for (const each of verdict.lost) this.unheard.add(each);
    for (const each of verdict.heard) this.unheard.delete(each);
    return verdict;
  }

  /** What so many looks say that is worth saying. */
  looks(count: number): SilenceVerdict[] {
    return Array.from({ length: count }, () => this.look()).filter(
      ({ lost, heard }) => lost.length + heard.length > 0,
    );
  }
}

describe("a node whose renewals do not arrive", () => {
  test("is lost when its lease is old in three looks in a row, and not before", () => {
    const leader = new Leader();
    leader.ages = [9_999, 0];
    expect(leader.looks(10)).toEqual([]);
    leader.ages = [10_000, 0];
    expect(leader.looks(2)).toEqual([]);
    expect(leader.look()).toEqual({ lost: ["n2"], heard: [] });
    expect(leader.looks(10)).toEqual([]);
  });

  test("one renewal between two looks begins the count anew: a leader that was stopped itself gives nothing away", () => {
    const leader = new Leader();
    leader.ages = [20_000, 20_000];
    expect(leader.looks(2)).toEqual([]);
    leader.ages = [300, 20_000];
    expect(leader.look()).toEqual({ lost: ["n3"], heard: [] });
    leader.ages = [20_000, 20_000];
    expect(leader.looks(2)).toEqual([]);
    expect(leader.look()).toEqual({ lost: ["n2"], heard: [] });
  });

  test("a new leader has granted nothing, and waits as long before it says so", () => {
    const leader = new Leader();
    leader.ages = [null, null];
    leader.leading_ms = 9_999;
    expect(leader.looks(5)).toEqual([]);
    leader.leading_ms = 10_000;
    expect(leader.looks(3)).toEqual([{ lost: ["n2", "n3"], heard: [] }]);
  });

  test("one that has just come, or begins another life, has time to start; one that is not there is another matter", () => {
    const leader = new Leader();
    leader.ages = [null, 0];
    leader.present_ms = 29_999;
    expect(leader.looks(5)).toEqual([]);
    // Of its life before.
    leader.ages = [25_000, 0];
    leader.boot = 2;
    expect(leader.looks(5)).toEqual([]);
    leader.boot = 1;
    leader.present_ms = null;
    expect(leader.looks(5)).toEqual([]);
    // It is back: its last lease is from before it was gone.
    leader.present_ms = 9_000;
    expect(leader.looks(5)).toEqual([]);
    leader.present_ms = 10_000;
    expect(leader.looks(3)).toEqual([{ lost: ["n2"], heard: [] }]);
  });

  test("longer leases mean more patience", () => {
    expect(unheardAfter_ms(terms)).toBe(10_000);
    expect(unheardAfter_ms({ ttl_ms: 10_000, drift: 0.1 })).toBe(44_000);
  });
});

describe("a node that was lost so", () => {
  test("is heard again when it had leases for five seconds without a gap", () => {
    const leader = new Leader();
    leader.ages = [12_000, 0];
    leader.looks(3);
    leader.ages = [100, 0];
    expect(leader.looks(4)).toEqual([]);
    leader.ages = [2_000, 0];
    expect(leader.look()).toEqual(nothing);
    leader.ages = [1_999, 0];
    expect(leader.looks(5)).toEqual([]);
    expect(leader.look()).toEqual({ lost: [], heard: ["n2"] });
    expect(leader.looks(5)).toEqual([]);
  });

  test("stays so when it is gone as well, and is forgotten when it is no member any more", () => {
    const leader = new Leader();
    leader.ages = [12_000, 0];
    leader.looks(3);
    leader.present_ms = null;
    expect(leader.looks(5)).toEqual([]);
    leader.members = ["n3"];
    expect(leader.look()).toEqual({ lost: [], heard: ["n2"] });
  });
});
