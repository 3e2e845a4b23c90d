/** Tells main of this participant: what changed at once, indices a little later. Keeps the counts of its elections. */
import type { NodeId } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { RaftId } from "../../raft/configuration.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { ConsensusStatus } from "./consensus.ts";
import type { ConsensusReport } from "./requests.ts";
import { gistOf, statusOf } from "./status.ts";
import type { ConsensusTransport } from "./transport.ts";

/** Indices are told this often while they move. */
const every_ms = 50;
/** And looked at this often while nothing moved, for what comes of time alone: a leader that is heard no more. */
const quiet_ms = 250;

export interface ReporterOptions {
  readonly self: RaftId;
  readonly clock: Clock;
  readonly transport: ConsensusTransport;
  readonly raft: () => RaftStatus;
  /** In which boot that node has greeted; null: it has not. */
  readonly bootOf: (node: NodeId) => number | null;
  /** See `ReplicatedState`. */
  readonly watched: () => number;
  readonly report: (report: ConsensusReport) => void;
}

export class Reporter {
  readonly counts = { elections: 0, leaderChanges: 0 };
  #trouble: string | null = null;
  #gist = "";
  #watched = 0;
  #indices = "";
  #timer: Timer | undefined;
  #isQuiet = false;
  #role = "follower";
  #leader: RaftId | null = null;

  constructor(private readonly options: ReporterOptions) {}

  start(): void {
    this.#look(every_ms);
  }

  /** Something was written or applied. */
  moved(): void {
    if (!this.#isQuiet) return;
    this.#isQuiet = false;
    this.#timer?.cancel();
    this.#look(every_ms);
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Null: it is over. */
  trouble(detail: string | null): void {
    this.#trouble = detail;
    this.tell();
  }

  tell(): void {
    this.#tell(true);
  }

  /** Entries were applied: main is told at once of what nodes act upon. True if there was any. */
  applied(): boolean {
    if (this.options.watched() === this.#watched) return false;
    this.#tell(true);
    return true;
  }

  #look(after_ms: number): void {
    this.#timer = this.options.clock.after(after_ms, () => {
      this.#isQuiet = !this.#tell(false);
      this.#look(this.#isQuiet ? quiet_ms : every_ms);
    });
  }

  /** Whether there was something to tell. */
  #tell(always: boolean): boolean {
    const { self, transport, raft, bootOf, report } = this.options;
    const now = raft();
    this.#count(now);
    this.#watched = this.options.watched();
    const status = statusOf(self, now, (node) => transport.isUp(node), bootOf, this.#trouble, this.#watched);
    const [gist, indices] = [gistOf(status), indicesOf(status)];
    const changed = gist !== this.#gist;
    if (!always && !changed && indices === this.#indices) return false;
    this.#gist = gist;
    this.#indices = indices;
    report({ kind: "status", status, changed });
    return true;
  }

  #count({ role, leader }: RaftStatus): void {
    if (role !== this.#role && role === "candidate") this.counts.elections++;
    if (leader !== null && leader !== this.#leader) this.counts.leaderChanges++;
    this.#role = role;
    if (leader !== null) this.#leader = leader;
  }
}

function indicesOf({ commit, applied, last, compacted, members }: ConsensusStatus): string {
  return `${commit} ${applied} ${last} ${compacted} ${members.map(({ match }) => match).join(" ")}`;
}
