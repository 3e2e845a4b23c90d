/** One SWIM core, `a`, that a test speaks to by hand; it knows `b` (1.0) and `c` (5.3) from the start. */
import type { NodeId } from "../../src/base/ids.ts";
import type { SwimEffect } from "../../src/swim/effects.ts";
import { Swim } from "../../src/swim/swim.ts";
import { timingOf } from "../../src/swim/timing.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../src/wire/gossip-records.ts";
import type { Incarnation } from "../../src/wire/gossip-values.ts";

export const benchTags = {
  version: "1",
  region: "",
  zone: "",
  api: "",
  maxAgents: 1,
  weight: 1,
  services: [],
};
export const id = (name: string): NodeId => name as NodeId;
export const at = (boot: number, counter: number): Incarnation => ({ boot, counter });

export function addressOf(name: string): { readonly host: string; readonly port: number } {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 65_000;
  return { host: `10.1.${Math.floor(sum / 256)}.${sum % 256}`, port: 7946 };
}

export const aliveRecord = (name: string, incarnation: Incarnation): GossipRecord => ({
  kind: "alive",
  node: id(name),
  incarnation,
  address: addressOf(name),
  tags: benchTags,
});

export const accusation = (
  kind: "suspect" | "failed",
  name: string,
  incarnation: Incarnation,
  accuser = "b",
): GossipRecord => ({ kind, node: id(name), incarnation, accuser: id(accuser) });

export class SwimBench {
  readonly swim: Swim;
  now = 0;
  readonly effects: SwimEffect[] = [];

  constructor(seed = 1) {
    this.swim = new Swim(
      {
        self: id("a"),
        boot: 1,
        address: addressOf("a"),
        tags: benchTags,
        timing: timingOf("lan"),
        seed,
        payloadLimit_bytes: 1_280,
        reserved_bytes: 0,
      },
      0,
    );
    this.swim.setBootCeiling(1_000_000);
    this.swim.step({ kind: "enter" }, 0);
    this.hear("b", aliveRecord("b", at(1, 0)));
    this.hear("c", aliveRecord("c", at(5, 3)));
  }

  hear(from: string, ...records: GossipRecord[]): readonly SwimEffect[] {
    const boot = this.swim.member(id(from))?.incarnation.boot ?? 1;
    return this.step({ kind: "packet", from: id(from), boot, address: addressOf(from), records });
  }

  step(input: Parameters<Swim["step"]>[0]): readonly SwimEffect[] {
    const effects = this.swim.step(input, this.now);
    this.effects.push(...effects);
    return effects;
  }

  /** Lets time pass, waking the core whenever it wants; nobody answers it unless `answer` does. */
  run(duration_ms: number, answer: (effect: SwimEffect) => void = () => undefined): void {
    const end = this.now + duration_ms;
    while (this.swim.wake <= end) {
      this.now = Math.max(this.now, this.swim.wake);
      for (const effect of this.step({ kind: "tick" })) answer(effect);
    }
    this.now = end;
  }

  /** Another says that it failed, and it does not refute. */
  fail(name: string, incarnation: Incarnation): void {
    this.hear("b", accusation("failed", name, incarnation));
    this.run(1_000);
  }

  /** Records sent to a node by these effects, as packets. */
  sentTo(name: string, effects: readonly SwimEffect[]): GossipRecord[] {
    return effects.flatMap((effect) =>
      effect.kind === "send" && effect.node === name ? decodeRecords(joinRecords(effect.records)) : [],
    );
  }

  state(name: string): string {
    const member = this.swim.member(id(name));
    return member ? `${member.status} ${member.incarnation.boot}.${member.incarnation.counter}` : "unknown";
  }

  refused(reason: string): number {
    return this.swim.refused.get(reason) ?? 0;
  }

  /** `n1`, `n2`, … alive, each by its own word. */
  fill(count: number): string[] {
    const names = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    for (const name of names) this.hear(name, aliveRecord(name, at(1, 0)));
    return names;
  }
}
