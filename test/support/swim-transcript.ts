/**
 * Plays a transcript of the SWIM core: commands line by line, and under each what came of it. Several
 * cores, one virtual clock in milliseconds, every packet 1 ms under way. Commands:
 *
 *   nodes a b c         cores that know each other from the start, at time 0
 *   run 500             lets 500 ms pass
 *   packets on|off      also shows every packet, as the kinds of its records
 *   kill a              it answers no more          restart a   it is back with a higher boot epoch
 *   cut a b             nothing passes between them, by packet or stream          heal
 *   leave a · remove a b    a leaves · a forgets b by its operator's word, and tells the others
 *   applies a b         a's log says that b was removed
 *   members a           its table
 */
import type { NodeId } from "../../src/base/ids.ts";
import type { SwimEffect, SwimInput } from "../../src/swim/effects.ts";
import { Swim } from "../../src/swim/swim.ts";
import { timingOf } from "../../src/swim/timing.ts";
import { decodeRecords, type GossipRecord, joinRecords } from "../../src/wire/gossip-records.ts";

interface Core {
  readonly id: NodeId;
  readonly boot: number;
  readonly swim: Swim;
}

interface Arrival {
  readonly at: number;
  readonly to: string;
  readonly input: Extract<SwimInput, { kind: "packet" | "frame" }>;
}

const underWay_ms = 1;
const tags = { version: "1", region: "", zone: "", api: "", maxAgents: 1, weight: 1, services: [] };

export class Transcript {
  readonly #cores = new Map<string, Core>();
  readonly #boots = new Map<string, number>();
  readonly #cuts = new Set<string>();
  #arrivals: Arrival[] = [];
  #now = 0;
  #packets = false;
  #lines: string[] = [];

  /** The text with what really came of each command; equal to `text` when nothing changed. */
  play(text: string): string {
    const result: string[] = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("  ")) continue;
      result.push(line);
      if (line === "" || line.startsWith("#")) continue;
      this.#command(line.split(" "));
      result.push(...this.#lines.map((one) => `  ${one}`));
      this.#lines = [];
    }
    return result.join("\n");
  }

  #command([verb = "", ...names]: string[]): void {
    const [first = "", second = ""] = names;
    switch (verb) {
      case "nodes":
        for (const name of names) this.#start(name);
        for (const core of this.#cores.values()) this.#introduce(core);
        return;
      case "run":
        this.#run(Number(first));
        return;
      case "packets":
        this.#packets = first === "on";
        return;
      case "kill":
        this.#cores.delete(first);
        return;
      case "restart":
        this.#introduce(this.#start(first));
        return;
      case "cut":
        this.#cuts.add(`${first} ${second}`).add(`${second} ${first}`);
        return;
      case "heal":
        this.#cuts.clear();
        return;
      case "leave":
        this.#step(first, { kind: "leave" });
        return;
      case "remove":
        this.#step(first, { kind: "remove", node: second as NodeId, boot: this.#boots.get(second) ?? 0 });
        return;
      case "applies": {
        const lives = [{ node: second as NodeId, boot: this.#boots.get(second) ?? 0 }];
        this.#step(first, { kind: "removals", lives });
        return;
      }
      case "members":
        this.#showMembers(first);
        return;
      default:
        throw new Error(`Unknown command: ${verb}`);
    }
  }

  #start(name: string): Core {
    const boot = (this.#boots.get(name) ?? 0) + 1;
    this.#boots.set(name, boot);
    const id = name as NodeId;
    const swim = new Swim(
      {
        self: id,
        boot,
        address: { host: `10.0.0.${name.charCodeAt(0) - 96}`, port: 7946 },
        tags,
        timing: timingOf("lan"),
        seed: name.charCodeAt(0),
        payloadLimit_bytes: 1_280,
        reserved_bytes: 0,
      },
      this.#now,
    );
    const core = { id, boot, swim };
    this.#cores.set(name, core);
    this.#step(name, { kind: "enter" });
    return core;
  }

  /** What a hello and its welcome would do. */
  #introduce(core: Core): void {
    for (const other of this.#cores.values()) {
      if (other === core || this.#cuts.has(`${core.id} ${other.id}`)) continue;
      this.#step(core.id, {
        kind: "frame",
        from: other.id,
        records: decodeRecords(joinRecords([other.swim.ownRecord()])),
      });
      this.#step(other.id, {
        kind: "frame",
        from: core.id,
        records: decodeRecords(joinRecords([core.swim.ownRecord()])),
      });
    }
  }

  #run(duration_ms: number): void {
    const end = this.#now + duration_ms;
    for (;;) {
      const next = Math.min(
        ...this.#arrivals.map(({ at }) => at),
        ...[...this.#cores.values()].map(({ swim }) => swim.wake),
      );
      if (next > end) break;
      this.#now = Math.max(this.#now, next);
      const due = this.#arrivals.filter(({ at }) => at <= this.#now);
      this.#arrivals = this.#arrivals.filter(({ at }) => at > this.#now);
      for (const { to, input } of due) this.#arrive(to, input);
      for (const core of [...this.#cores.values()]) {
        if (core.swim.wake <= this.#now) this.#step(core.id, { kind: "tick" });
      }
    }
    this.#now = end;
  }

  #arrive(to: string, input: Arrival["input"]): void {
    if (this.#cuts.has(`${input.from} ${to}`) || !this.#cores.has(to)) return;
    if (this.#packets) {
      // On every ack, and none of the stories' matter.
      const told = input.records.filter(({ kind }) => kind !== "coordinate");
      const kinds = told.map((record) => describe(record)).join(", ");
      this.#say(`${input.from} ${input.kind === "packet" ? "→" : "⇒"} ${to}  ${kinds}`);
    }
    this.#step(to, input);
  }

  #step(name: string, input: SwimInput): void {
    const core = this.#cores.get(name);
    for (const effect of core?.swim.step(input, this.#now) ?? []) if (core) this.#perform(core, effect);
  }

  #perform(core: Core, effect: SwimEffect): void {
    const at = this.#now + underWay_ms;
    switch (effect.kind) {
      case "send": {
        const records = decodeRecords(joinRecords(effect.records));
        const { id: from, boot } = core;
        const address = { host: `10.0.0.${from.charCodeAt(0) - 96}`, port: 7946 };
        this.#arrivals.push({ at, to: effect.node, input: { kind: "packet", from, boot, address, records } });
        return;
      }
      case "stream": {
        const records = decodeRecords(joinRecords(effect.records));
        this.#arrivals.push({ at, to: effect.node, input: { kind: "frame", from: core.id, records } });
        return;
      }
      case "member":
        if (this.#now > 0) this.#say(`${core.id}: ${effect.member.id} ${effect.event} (${effect.reason})`);
        return;
      case "forgotten":
        this.#say(`${core.id}: ${effect.member.id} forgotten (${effect.reason})`);
        return;
      case "removed":
        this.#say(`${core.id}: was removed, says ${effect.source === core.id ? "its log" : effect.source}`);
        return;
      case "left-told":
        this.#say(`${core.id}: has told the others`);
        return;
      case "contact":
        this.#step(core.id, { kind: "contacted", contact: effect.contact, by: null });
        return;
      case "conflict":
      case "exchange":
      case "load":
      case "pinged":
      case "round-trip":
    }
  }

  #showMembers(name: string): void {
    for (const { id, status, incarnation } of this.#cores.get(name)?.swim.members ?? []) {
      this.#lines.push(`${id} ${status} ${incarnation.boot}.${incarnation.counter}`);
    }
  }

  #say(line: string): void {
    this.#lines.push(`${String(Math.round(this.#now)).padStart(6)} ${line}`);
  }
}

function describe(record: GossipRecord): string {
  switch (record.kind) {
    case "alive":
    case "left":
    case "removed":
    case "grave":
    case "member":
      return `${record.kind} ${record.node} ${record.incarnation.boot}.${record.incarnation.counter}`;
    case "suspect":
    case "failed":
      return `${record.kind} ${record.node} ${record.incarnation.boot}.${record.incarnation.counter} by ${record.accuser}`;
    case "probe-request":
      return `probe-request of ${record.target}`;
    case "probe":
    case "ack":
    case "nack":
    case "introduce":
    case "push-pull":
    case "load":
    case "head":
    case "change":
    case "pull":
    case "chunk":
    case "coordinate":
    case "certificate":
    case "tags-digest":
    case "tags-pull":
    case "tags-delta":
      return record.kind;
  }
}
