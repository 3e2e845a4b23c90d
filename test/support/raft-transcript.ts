/**
 * Plays a transcript of the Raft core: commands line by line, and under each what came of it. Several cores, one virtual
 * clock in milliseconds, every message 1 ms under way, disks that write at once. Commands:
 *
 *   nodes a:2 b c w/witness d/outside   founders (of priority 2, a witness), and one that is no member yet
 *   terms a 2 2 · term a 3  before the start: its log goes on with commands of these terms; it knows of term 3
 *   small                   before the start: one entry a message, a log that is compacted at once, tiny snapshots
 *   run 500                 lets 500 ms pass
 *   messages all|votes|off  also shows messages (votes: those of elections only)
 *   hang a · unhang a       its disk answers no more
 *   crash a · restart a     cut a b · cut a → b · heal     hint b a   (b has a sign that a is gone)
 *   propose a x · read a · transfer a b · members a a b d/learner
 *   log a · status          what it holds, who leads
 */
import type { NodeId } from "../../src/base/ids.ts";
import {
  type Configuration,
  defaultMember,
  type Member,
  type MemberRole,
  nodeOf,
  type RaftId,
  raftIdOf,
} from "../../src/raft/configuration.ts";
import type { RaftEffect, RaftInput } from "../../src/raft/effects.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { defaultLimits } from "../../src/raft/options.ts";
import { Raft } from "../../src/raft/raft.ts";
import { RaftDisk } from "../../src/simulation/raft/disk.ts";

const underWay_ms = 1;
const timing = { heartbeat_ms: 50, election_ms: 200 };
const smallLimits = {
  ...defaultLimits,
  appendEntries: 1,
  inflightAppends: 1,
  trailingEntries: 2,
  cacheEntries: 4,
};

interface Core {
  readonly id: RaftId;
  readonly witness: boolean;
  readonly disk: RaftDisk;
  raft: Raft | null;
  /** Applied commands: the state machine is their list, kept over a crash. */
  state: string[];
  applied: number;
  appliedTerm: number;
  told: string;
}

const text = new TextDecoder();
const utf8 = new TextEncoder();

export function playRaftTranscript(source: string): string {
  return new Play().run(source);
}

class Play {
  #now = 0;
  readonly #cores = new Map<string, Core>();
  #waiting: { readonly at: number; readonly to: string; readonly input: RaftInput }[] = [];
  readonly #cuts = new Set<string>();
  readonly #hung = new Set<string>();
  readonly #owed: RaftInput[] = [];
  #lines: string[] = [];
  #messages = "off";
  #small = false;
  #founders: Member[] = [];
  #started = false;
  #requests = 0;

  run(source: string): string {
    const output: string[] = [];
    for (const line of source.split("\n")) {
      if (line.startsWith("  ")) continue;
      output.push(line);
      if (line === "" || line.startsWith("#")) continue;
      this.#command(line);
      output.push(...this.#lines.map((said) => `  ${said}`));
      this.#lines = [];
    }
    return output.join("\n");
  }

  #command(line: string): void {
    const [verb = "", first = "", ...rest] = line.split(" ");
    switch (verb) {
      case "nodes":
        this.#nodes([first, ...rest]);
        return;
      case "terms":
        this.#preload(first, rest.map(Number));
        return;
      case "term": {
        const { disk } = this.#core(first);
        disk.hardState = { ...disk.hardState, term: Number(rest[0]) };
        return;
      }
      case "small":
        this.#small = true;
        return;
      case "run":
        this.#run(Number(first));
        return;
      case "messages":
        this.#messages = first;
        return;
      case "crash": {
        const core = this.#core(first);
        core.raft = null;
        return;
      }
      case "hang":
        this.#hung.add(first);
        return;
      case "unhang":
        this.#hung.delete(first);
        for (const input of this.#owed.splice(0)) this.#soon(first, input);
        return;
      case "restart":
        this.#start(this.#core(first));
        return;
      case "cut":
        this.#cuts.add(`${first} ${rest.at(-1)}`);
        if (rest[0] !== "→") this.#cuts.add(`${rest.at(-1)} ${first}`);
        return;
      case "heal":
        this.#cuts.clear();
        return;
      case "hint":
        this.#step(first, { kind: "hint", peer: raftId(rest[0] ?? "") });
        return;
      case "propose":
        this.#step(first, { kind: "propose", id: ++this.#requests, data: utf8.encode(rest.join(" ")) });
        return;
      case "read":
        this.#step(first, { kind: "read", id: ++this.#requests });
        return;
      case "transfer":
        this.#step(first, { kind: "transfer", id: ++this.#requests, to: raftId(rest[0] ?? "") });
        return;
      case "members":
        this.#step(first, {
          kind: "change-membership",
          id: ++this.#requests,
          members: rest.map(parseMember),
        });
        return;
      case "log":
        this.#showLog(this.#core(first));
        return;
      case "status":
        for (const core of this.#cores.values()) this.#showStatus(core);
        return;
      default:
        throw new Error(`Unknown command: ${verb}`);
    }
  }

  #nodes(words: readonly string[]): void {
    this.#founders = words.filter((word) => !word.endsWith("/outside")).map(parseMember);
    const configuration: Configuration = { members: this.#founders, outgoing: null };
    for (const word of words) {
      const { id, role } = parseMember(word.replace("/outside", ""));
      const disk = new RaftDisk();
      if (!word.endsWith("/outside")) disk.found(configuration);
      const core: Core = {
        id,
        witness: role === "witness",
        disk,
        raft: null,
        state: [],
        applied: 0,
        appliedTerm: 0,
        told: "",
      };
      this.#cores.set(nodeOf(id), core);
    }
  }

  #preload(name: string, terms: readonly number[]): void {
    const { disk } = this.#core(name);
    const entries = terms.map((term, i): Entry => ({
      index: disk.last.index + 1 + i,
      term,
      kind: "command",
      data: utf8.encode(`of-term-${term}`),
    }));
    const hardState = { term: terms.at(-1) ?? 1, vote: null, commit: 1 };
    disk.persist({ kind: "persist", id: 0, hardState, reset: null, truncateFrom: null, entries });
  }

  #start(core: Core): void {
    const options = {
      self: core.id,
      witness: core.witness,
      timing,
      hints: true,
      leaseReads: false,
      clockDrift: 0,
      limits: this.#small ? smallLimits : defaultLimits,
      seed: core.id.charCodeAt(0),
    };
    const applied = core.witness ? core.disk.base.index : Math.max(core.applied, core.disk.base.index);
    core.raft = new Raft(options, core.disk.stored(applied), core.disk, this.#now);
    this.#step(nodeOf(core.id), { kind: "tick" });
  }

  #run(duration_ms: number): void {
    if (!this.#started) for (const core of this.#cores.values()) this.#start(core);
    this.#started = true;
    const end = this.#now + duration_ms;
    for (;;) {
      const wakes = [...this.#cores.values()].map(({ raft }) => raft?.wake ?? Infinity);
      const next = Math.min(...this.#waiting.map(({ at }) => at), ...wakes);
      if (next > end) break;
      this.#now = Math.max(this.#now, next);
      const due = this.#waiting.filter(({ at }) => at <= this.#now);
      this.#waiting = this.#waiting.filter(({ at }) => at > this.#now);
      for (const { to, input } of due) this.#arrive(to, input);
      for (const [name, { raft }] of this.#cores)
        if (raft !== null && raft.wake <= this.#now) this.#step(name, { kind: "tick" });
    }
    this.#now = end;
  }

  #arrive(to: string, input: RaftInput): void {
    if (input.kind === "message") {
      const from = nodeOf(input.from);
      if (this.#cuts.has(`${from} ${to}`) || this.#core(to).raft === null) return;
      const isVote = input.message.kind.startsWith("vote") || input.message.kind === "timeout-now";
      if (this.#messages === "all" || (this.#messages === "votes" && isVote))
        this.#say(`${from} → ${to}  ${describe(input.message)}`);
    }
    this.#step(to, input);
  }

  #step(name: string, input: RaftInput): void {
    const core = this.#core(name);
    const { raft } = core;
    if (raft === null) return;
    const commit = raft.log.commit;
    for (const effect of raft.step(input, this.#now)) this.#perform(core, effect);
    if (raft.role === "leader" && raft.log.commit > commit) this.#say(`${name} commits ${raft.log.commit}`);
  }

  #perform(core: Core, effect: RaftEffect): void {
    const name = nodeOf(core.id);
    switch (effect.kind) {
      case "send":
        this.#waiting.push({
          at: this.#now + underWay_ms,
          to: nodeOf(effect.to),
          input: { kind: "message", from: core.id, message: effect.message },
        });
        return;
      case "persist":
        core.disk.persist(effect);
        if (this.#hung.has(name)) this.#owed.push({ kind: "persisted", id: effect.id });
        else this.#soon(name, { kind: "persisted", id: effect.id });
        return;
      case "compact":
        core.disk.compact(effect.base, effect.configuration);
        this.#say(`${name} compacts to ${effect.base.index}`);
        return;
      case "apply":
        this.#apply(core, effect.entries);
        return;
      case "proposal":
        this.#say(
          `${name}: proposal ${effect.result.kind}` +
            (effect.result.kind === "accepted" ? ` at ${effect.result.position.index}` : "") +
            (effect.result.kind === "refused" ? ` (${effect.result.reason})` : ""),
        );
        return;
      case "read":
        this.#say(
          effect.result.kind === "ready"
            ? `${name} reads at ${effect.result.index}: ${core.state.join(" ") || "nothing"}`
            : `${name}: read refused (${effect.result.reason})`,
        );
        return;
      case "membership":
      case "transfer":
        this.#say(`${name}: ${effect.kind} ${words(effect.result)}`);
        return;
      case "status":
        this.#tell(core);
        return;
      case "log-lost":
        this.#say(`${name} had entry ${effect.acknowledged}, and has ${effect.last}`);
        return;
      case "snapshot-open":
        this.#say(`${name} opens a snapshot at ${core.applied}`);
        this.#soon(name, {
          kind: "snapshot-opened",
          transfer: effect.transfer,
          position: { index: core.applied, term: core.appliedTerm },
        });
        return;
      case "snapshot-read": {
        const { transfer, chunk } = effect;
        const bytes = utf8.encode(core.state[chunk] ?? "");
        const final = chunk >= core.state.length - 1;
        this.#soon(name, { kind: "snapshot-chunk", transfer, chunk, bytes, final });
        return;
      }
      case "snapshot-take":
        if (effect.chunk === 0) core.state = [];
        core.state.push(text.decode(effect.bytes));
        this.#soon(name, { kind: "snapshot-taken", mark: effect.mark, wanted: effect.chunk + 1 });
        return;
      case "snapshot-install": {
        const { position, configuration } = effect.mark;
        core.disk.reset(position, configuration);
        core.applied = position.index;
        core.appliedTerm = position.term;
        this.#say(`${name} installs the snapshot at ${position.index}`);
        this.#soon(name, { kind: "snapshot-installed", mark: effect.mark, installed: true });
        return;
      }
      case "snapshot-close":
      case "snapshot-abandon":
    }
  }

  #apply(core: Core, entries: readonly Entry[]): void {
    for (const { index, term, kind, data } of entries) {
      if (kind === "command") core.state.push(text.decode(data));
      core.applied = index;
      core.appliedTerm = term;
    }
    this.#soon(nodeOf(core.id), { kind: "applied", index: core.applied });
    if (this.#small) this.#soon(nodeOf(core.id), { kind: "settled", index: core.applied });
  }

  #soon(to: string, input: RaftInput): void {
    this.#waiting.push({ at: this.#now, to, input });
  }

  #tell(core: Core): void {
    const status = core.raft?.status(this.#now);
    if (status === undefined || (status.role === "follower" && status.leader === null && status.term === 1))
      return;
    const led = status.role === "follower" && status.leader !== null ? ` of ${nodeOf(status.leader)}` : "";
    const joint = status.configuration.outgoing === null ? "" : ", joint";
    const ready = status.ready ? ", ready" : "";
    const words = `${status.role}${led} in term ${status.term}${joint}${ready}`;
    if (core.told !== words) this.#say(`${nodeOf(core.id)} is ${words}`);
    core.told = words;
  }

  #showLog({ id, disk, raft }: Core): void {
    const entries = disk.held.map(
      ({ index, term, kind, data }) => `${index}@${term}:${kind === "command" ? text.decode(data) : kind}`,
    );
    const base = disk.base.index > 0 ? `[up to ${disk.base.index}] ` : "";
    this.#lines.push(`${nodeOf(id)} holds ${base}${entries.join(" ")}; committed ${raft?.log.commit ?? "?"}`);
  }

  #showStatus({ id, raft }: Core): void {
    const status = raft?.status(this.#now);
    if (status === undefined) this.#lines.push(`${nodeOf(id)} is down`);
    else {
      const leader = status.leader === null ? "nobody" : nodeOf(status.leader);
      const members = status.configuration.members
        .map((member) => `${nodeOf(member.id)}${member.role === "voter" ? "" : `/${member.role}`}`)
        .join(" ");
      this.#lines.push(
        `${nodeOf(id)} ${status.role} term ${status.term}, led by ${leader}, ` +
          `last ${status.last} committed ${status.commit}, members ${members || "unknown"}`,
      );
    }
  }

  #core(name: string): Core {
    const core = this.#cores.get(name);
    if (core === undefined) throw new Error(`No node ${name}`);
    return core;
  }

  #say(line: string): void {
    this.#lines.push(`${String(Math.round(this.#now)).padStart(6)} ${line}`);
  }
}

function raftId(name: string): RaftId {
  return raftIdOf(name as NodeId, 1);
}

/** `name:priority/role`. */
function parseMember(word: string): Member {
  const [, name = "", priority, role = "voter"] = /^([a-z]+)(?::(\d+))?(?:\/([a-z]+))?$/.exec(word) ?? [];
  const member = defaultMember(raftId(name), role as MemberRole);
  return priority === undefined ? member : { ...member, priority: Number(priority) };
}

function words(result: { readonly kind: string; readonly reason?: string; readonly to?: string }): string {
  const to = result.to === undefined ? "" : ` to ${nodeOf(result.to as RaftId)}`;
  return `${result.kind}${to}${result.reason === undefined ? "" : ` (${result.reason})`}`;
}

function describe(message: RaftMessage): string {
  switch (message.kind) {
    case "vote": {
      const { term, pre, last, transfer } = message;
      const asks = pre ? "would you vote for me" : "vote for me";
      return `${asks} in term ${term}? last ${last.index}@${last.term}${transfer ? ", as the leader wishes" : ""}`;
    }
    case "vote-reply":
      return `${message.granted ? "yes" : "no"}, term ${message.term}`;
    case "append": {
      const { previous, entries, commit } = message;
      const carried = entries.map(
        ({ index, term, kind }) => `${index}@${term}${kind === "stripped" ? "!" : ""}`,
      );
      return `append after ${previous.index}@${previous.term}: ${carried.join(" ") || "nothing"}; commit ${commit}`;
    }
    case "appended":
      return `have up to ${message.match}`;
    case "refused":
      return `do not have ${message.previous}; perhaps ${message.hint.index}@${message.hint.term}`;
    case "heartbeat":
      return message.round === 0
        ? `commit ${message.commit}`
        : `heartbeat ${message.round}, commit ${message.commit}`;
    case "heartbeat-reply":
      return `heard ${message.round}, term ${message.term}`;
    case "snapshot":
      return `snapshot at ${message.mark.position.index}, chunk ${message.chunk}${message.final ? ", the last" : ""}`;
    case "snapshot-reply":
      return `snapshot ${message.state}${message.state === "receiving" ? `, want chunk ${message.wanted}` : ""}`;
    case "read-index":
      return "where may I read?";
    case "read-index-reply":
      return message.index === null ? "nowhere" : `read at ${message.index}`;
    case "forward":
      return `${message.proposals.length} proposals`;
    case "forward-reply":
      return message.results
        .map(({ position }) => (position ? `stands at ${position.index}` : "refused"))
        .join(", ");
    case "forward-refused":
      return `proposal refused: ${message.detail}`;
    case "timeout-now":
      return "campaign now";
  }
}
