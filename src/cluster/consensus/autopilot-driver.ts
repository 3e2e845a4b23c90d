/**
 * Carries out what the autopilot decides while this node leads: changes of members, and the nodes' records
 * in the control state. What is decided is `ownership/autopilot.ts`'s; one step is under way at a time.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Asker } from "../../control/kv-store.ts";
import type { ControlClient } from "../../control/control-client.ts";
import { Autopilot, autopilotTiming, type AutopilotTiming } from "../../ownership/autopilot.ts";
import type { NodePresence, PilotNode, PilotStep, PilotView } from "../../ownership/autopilot-view.ts";
import { canSpareVote, successorOf } from "../../ownership/safe-to-stop.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import {
  decodeNodeRecords,
  encodeNodeId,
  encodeNodeRecord,
  type NodeRecord,
} from "../../wire/control-node.ts";
import type { Consensus, ConsensusMember } from "./consensus.ts";
import type { ControlLevels } from "./control-levels.ts";
import type { Member, Membership } from "../membership.ts";

const look_ms = 500;
/** After a step that did not come about. */
const backoff_ms = 2_000;
const step_ms = 10_000;
const records_ms = 5_000;
/** Records that are written at one look. */
const records_max = 16;
/** Nodes that leave at one time and are remembered. */
const leaving_max = 64;
const itself: Asker = { principal: "", idempotencyKey: null };

export interface AutopilotDriverOptions {
  readonly consensus: Pick<
    Consensus,
    "self" | "status" | "onStatus" | "changeMembership" | "transferLeadership"
  >;
  readonly membership: Pick<Membership, "members">;
  readonly client: Pick<ControlClient, "command" | "query">;
  readonly clock: Clock;
  /** The most voters; null: by the number of nodes. */
  readonly voters_max: number | null;
  /** Which commands a node's program knows, as far as that is known; see `ControlLevels`. */
  readonly levels: Pick<ControlLevels, "of" | "keepOnly">;
  readonly timing?: AutopilotTiming;
  /** A change of members came about, in words for people. */
  readonly changed?: (text: string) => void;
}

export class AutopilotDriver {
  readonly #options: AutopilotDriverOptions;
  readonly #unsubscribe: () => void;
  #pilot: Autopilot;
  /** Of which this node's leadership the pilot has seen the beginning; null while another leads. */
  #term: number | null = null;
  #timer: Timer | undefined;
  #busy = false;
  #stopped = false;
  #recordsDue_ms = 0;
  #told = "";
  /**
   * Lives of nodes that gave their vote away and leave, and the logs that they had: not to be made voters again
   * meanwhile. One that begins another log stays after all.
   */
  readonly #leaving = new Map<NodeId, { readonly boot: number; readonly log: number | undefined }>();

  constructor(options: AutopilotDriverOptions) {
    this.#options = options;
    this.#pilot = new Autopilot(options.timing ?? autopilotTiming);
    this.#unsubscribe = options.consensus.onStatus(() => this.#look(0));
    this.#look(0);
  }

  /** What consensus and gossip know now, as the pilot sees it; for this node's leadership and for safety checks. */
  get view(): PilotView {
    return viewOf(this.#options, ({ id, bootEpoch, tags }) => {
      const leaves = this.#leaving.get(id);
      return leaves !== undefined && leaves.boot === bootEpoch && leaves.log === tags.raft?.identity;
    });
  }

  /**
   * A voter that leaves for good votes no more. Throws `conflict` where the others cannot do without it yet,
   * `precondition_failed` where they never can, and as `changeMembership`. Only at the leader.
   */
  async resign(node: NodeId, timeout_ms: number): Promise<void> {
    const { consensus, membership, changed } = this.#options;
    const spare = canSpareVote(node, this.view);
    if (!spare.safe) {
      const code = spare.final ? "precondition_failed" : "conflict";
      throw new CaxtonError(code, `Node "${node}" keeps its vote: ${spare.why}`);
    }
    const life = membership.members().find(({ id }) => id === node);
    if (life !== undefined) this.#leaving.set(node, { boot: life.bootEpoch, log: life.tags.raft?.identity });
    for (const [oldest] of this.#leaving) if (this.#leaving.size > leaving_max) this.#leaving.delete(oldest);
    await consensus.changeMembership([{ node, role: "learner" }], { timeout_ms });
    changed?.(`${node} leaves and votes no more`);
  }

  /** The only voter makes another node one, if any can be; false otherwise. Only at the leader. */
  async addSuccessor(timeout_ms: number): Promise<boolean> {
    const node = successorOf(this.view);
    if (node === undefined) return false;
    await this.#options.consensus.changeMembership([{ node, role: "voter" }], { timeout_ms });
    return true;
  }

  /**
   * A node began another life, or more is known of one: it is written down at the next look, since until then it may
   * not act.
   */
  recordsChanged(): void {
    this.#recordsDue_ms = 0;
    this.#look(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#unsubscribe();
  }

  #look(delay_ms: number): void {
    // A turn that is under way looks again by itself.
    if (this.#stopped || this.#busy) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delay_ms, () => {
      this.#busy = true;
      void this.#turn().then((next_ms) => {
        this.#busy = false;
        this.#look(next_ms);
      });
    });
  }

  /** Never rejects. How long until the next look. */
  async #turn(): Promise<number> {
    const { role, ready, term } = this.#options.consensus.status();
    if (role !== "leader" || !ready) {
      this.#term = null;
      return look_ms;
    }
    if (this.#term !== term) {
      this.#term = term;
      this.#pilot = new Autopilot(this.#options.timing ?? autopilotTiming);
    }
    const now_ms = this.#options.clock.now_ms();
    const step = this.#pilot.step(this.view, now_ms);
    try {
      await this.#take(step);
      if (now_ms >= this.#recordsDue_ms) {
        this.#recordsDue_ms = now_ms + records_ms;
        await this.#keepRecords();
      }
      return look_ms;
    } catch (error) {
      logger("raft").warn(`The members stay as they are for now (${step.why}): ${reasonOf(error)}`);
      return backoff_ms;
    }
  }

  async #take(step: PilotStep): Promise<void> {
    const { consensus } = this.#options;
    if (step.kind === "nothing") {
      // What keeps it from mending something is worth a line; that all is well is not.
      if (step.why !== this.#told && step.why.includes(", but")) logger("raft").warn(`Members: ${step.why}`);
      this.#told = step.why;
      return;
    }
    logger("raft").info(`Members: ${step.why}`);
    if (step.kind === "transfer") await consensus.transferLeadership(step.to, { timeout_ms: step_ms });
    else await consensus.changeMembership(step.changes, { timeout_ms: step_ms });
    this.#options.changed?.(step.why);
  }

  /** Brings the records of nodes in line with what gossip knows, a few at a time. */
  async #keepRecords(): Promise<void> {
    const { client, consensus, membership, levels } = this.#options;
    const { bytes } = await client.query(controlQueries.nodes, new Uint8Array(), "local");
    const records = new Map(decodeNodeRecords(bytes).map((record) => [record.id, record]));
    const present = membership.members().filter(({ status }) => status !== "left");
    let written = 0;
    for (const member of present) {
      const before = records.get(member.id);
      const record = recordOf(member, levels.of(member, before?.level));
      if (written >= records_max) return;
      if (record === null || (before !== undefined && sameRecord(before, record))) continue;
      if (before !== undefined && before.bootEpoch < record.bootEpoch && !this.#hasGreeted(record)) {
        this.#recordsDue_ms = 0;
        continue;
      }
      written++;
      const { outcome } = await client.command({
        kind: controlCommands.nodePut,
        body: encodeNodeRecord(record),
        ...itself,
      });
      if (outcome.status === "stale") tellStale(member, outcome.value);
    }
    const known = new Set([
      ...present.map(({ id }) => id),
      ...consensus.status().members.map(({ node }) => node),
    ]);
    levels.keepOnly(known);
    for (const { id, removed } of records.values()) {
      if (removed || known.has(id) || written >= records_max) continue;
      written++;
      await client.command({ kind: controlCommands.nodeRemove, body: encodeNodeId(id), ...itself });
    }
  }

  /**
   * Whether the raft thread here has judged that life's log, if it takes part: by the boot that is written down now,
   * which an old copy of a disk does not know of. Once the new one is, nobody could tell.
   */
  #hasGreeted({ id, bootEpoch }: NodeRecord): boolean {
    const { self, members } = this.#options.consensus.status();
    const member = members.find(({ node }) => node === id);
    return id === self || member === undefined || member.boot === bootEpoch;
  }
}

function viewOf(
  { consensus, membership, voters_max }: AutopilotDriverOptions,
  isLeaving: (member: Member) => boolean,
): PilotView {
  const { self, members, joint } = consensus.status();
  const taking = new Map(members.map((member) => [member.node, member]));
  const nodes = membership
    .members()
    .map((member) => {
      const node = pilotNode(member, taking.get(member.id));
      return node !== null && isLeaving(member) ? { ...node, presence: "gone" as const } : node;
    })
    .filter((node) => node !== null);
  return { self, nodes, members, changing: joint, voters_max };
}

/** Null of a node that has not said yet what it is in consensus, and is no member. */
function pilotNode({ id, status, tags }: Member, member: ConsensusMember | undefined): PilotNode | null {
  const { raft, region, zone } = tags;
  const presence = presences[status];
  if (raft !== undefined)
    return { node: id, presence, role: raft.role, identity: raft.identity, region, zone };
  if (member === undefined) return null;
  const role = member.role === "witness" ? "witness" : "voter";
  return { node: id, presence, role, identity: member.identity, region, zone };
}

const presences: Readonly<Record<Member["status"], NodePresence>> = {
  alive: "alive",
  suspect: "alive",
  failed: "failed",
  left: "gone",
};

function recordOf({ id, bootEpoch, tags }: Member, level: number): NodeRecord | null {
  const { raft, region, zone } = tags;
  if (raft === undefined) return null;
  return { id, role: raft.role, bootEpoch, region, zone, level, removed: false };
}

function sameRecord(a: NodeRecord, b: NodeRecord): boolean {
  return (
    a.role === b.role &&
    a.bootEpoch === b.bootEpoch &&
    a.region === b.region &&
    a.zone === b.zone &&
    a.level === b.level &&
    a.removed === b.removed
  );
}

function tellStale({ id, bootEpoch }: Member, highest: number): void {
  logger("raft").warn(
    `Node "${id}" runs in boot ${bootEpoch}, the cluster saw it in boot ${highest}: is it on an older disk?`,
  );
}
