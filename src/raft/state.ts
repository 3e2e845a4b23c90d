/**
 * What all parts of the core share: promises (term, vote), the log, the configuration, who leads, and where effects
 * go. Rules are in the files of their concepts; this one has none but how fields change together.
 */
import { Prng } from "../base/prng.ts";
import { present } from "../base/assert.ts";
import { type Configuration, type RaftId, roleIn } from "./configuration.ts";
import { ConfigurationHistory } from "./configuration-history.ts";
import { decodeConfiguration } from "./configuration-codec.ts";
import type { RaftRole } from "./effects.ts";
import type { Entry, EntryKind, LogPosition, LogView, RaftStored } from "./entry.ts";
import type { Leadership } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import type { RaftMessage } from "./messages.ts";
import type { RaftOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { type RaftTiming, stretched } from "./timing.ts";

/** An election under way. */
interface Campaign {
  readonly votes: Map<RaftId, boolean>;
  readonly transfer: boolean;
  /** The own vote counts when this persist is done; 0 for a pre-vote. */
  readonly persist: number;
}

/** Tokens begin anew at each start, far from where they were before. */
const tokenStep = 2 ** 20;

export class RaftState {
  readonly self: RaftId;
  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;
  readonly out = new Outbox();
  readonly prng: Prng;
  timing: RaftTiming;
  role: RaftRole = "follower";
  term: number;
  vote: RaftId | null;
  /** Term or vote changed since they were last written. */
  promised = false;
  leader: RaftId | null = null;
  /** When the leader was last heard of; stickiness counts from here. */
  leaderHeard = -Infinity;
  /** A sign says that the leader is gone, and nothing was heard of it since. */
  leaderDoubted = false;
  campaign: Campaign | null = null;
  /** Present while, and only while, this participant leads. */
  leadership: Leadership | null = null;
  /** Applied by the state machine. A witness has none: whatever is committed counts. */
  applied: number;
  settled: number;
  /** The state machine and the log are being replaced: no campaign, no appends. */
  installing = false;
  stopped: string | null = null;
  /** A witness took a snapshot: the next persist begins the log anew. */
  resetTo: { readonly base: LogPosition; readonly configuration: Configuration } | null = null;
  #token: number;
  #roundTrip_ms = 0;
  #profile: RaftTiming;

  constructor(
    readonly options: RaftOptions,
    stored: RaftStored,
    view: LogView,
    public now: number,
  ) {
    const { hardState, base, last, configurations, applied } = stored;
    this.self = options.self;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.log = new RaftLog(base, last, Math.max(hardState.commit, applied), view, options.limits);
    this.configurations = new ConfigurationHistory(configurations);
    this.applied = applied;
    this.settled = base.index;
    this.prng = new Prng(options.seed);
    this.#token = this.prng.u32() * tokenStep;
    this.#profile = options.timing;
    this.timing = options.timing;
  }

  /** Never the same twice, nor (as good as surely) one of an earlier start. */
  nextToken(): number {
    return ++this.#token;
  }

  get leading(): Leadership {
    return present(this.leadership, "leadership");
  }

  send(to: RaftId, message: RaftMessage): void {
    this.out.send(to, message);
  }

  setPromise(term: number, vote: RaftId | null): void {
    if (term === this.term && vote === this.vote) return;
    this.term = term;
    this.vote = vote;
    this.promised = true;
  }

  retime(profile: RaftTiming, roundTrip_ms: number | null): void {
    this.#profile = profile;
    this.#roundTrip_ms = roundTrip_ms ?? this.#roundTrip_ms;
    this.timing = stretched(profile, this.#roundTrip_ms);
  }

  get profile(): RaftTiming {
    return this.#profile;
  }

  get roundTrip_ms(): number {
    return this.#roundTrip_ms;
  }

  /** A random time in [E, 2E). */
  electionTimeout(): number {
    return this.timing.election_ms * (1 + this.prng.float());
  }

  /** Appends one entry of this term at the end: leaders only. Returns its index. */
  appendOwn(kind: Exclude<EntryKind, "stripped">, data: Uint8Array): number {
    const index = this.log.last.index + 1;
    this.appendEntry({ index, term: this.term, kind, data });
    return index;
  }

  appendEntry(entry: Entry): void {
    this.log.append(entry);
    if (entry.kind !== "configuration") return;
    this.configurations.add({ index: entry.index, configuration: decodeConfiguration(entry.data) });
  }

  truncate(from: number): void {
    this.log.truncate(from);
    this.configurations.truncate(from);
  }

  /**
   * Whether this participant may lead at all. One whose removal is not committed still may: it can be the only one
   * that has it, and nobody else is elected before it was passed on (dissertation, section 4.2.2).
   */
  get canLead(): boolean {
    const { configurations, log, self } = this;
    return (
      (configurations.roleOf(self) === "voter" || roleIn(configurations.at(log.commit), self) === "voter") &&
      !this.options.witness &&
      !this.installing &&
      this.stopped === null
    );
  }
}
