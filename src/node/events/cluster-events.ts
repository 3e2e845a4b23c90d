/**
 * Events of the whole cluster for who follows them at one node. What the cluster does each node sees by
 * itself; what only its own node knows (dead letters, traps) is asked of the others, once a second for all
 * who follow, for as long as somebody does. A member that is alive and does not answer for long is told once.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { ClusterEvent, EventService } from "../../api/services.ts";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { pairEvent } from "../partition/lost-pairs.ts";
import type { EventLog } from "./event-log.ts";

const method = "events.since";
const askEvery_ms = 1_000;
const request_ms = 3_000;
/** A node that restarts or goes is told of as such; only one that is alive for so long without an answer is odd. */
const patience_ms = 10_000;
/** Of one node at a time; what is beyond comes with the next question. */
const eventsAtOnce = 200;
/** Waiting for one follower; beyond it the follower is ended, and resumes. */
const waitingLimit = 2_000;
/** Of nodes that lost each other, of which either may tell. */
const pairsLimit = 1_000;

const sinceRequest = v.strictObject({ after: v.nullable(v.pipe(v.number(), v.safeInteger())) });
const eventSchema = v.strictObject({
  id: v.number(),
  // Lines of a stream are made of it.
  type: v.pipe(v.string(), v.regex(/^[a-z0-9_.]{1,64}$/)),
  level: v.picklist(["info", "warn"]),
  at_ms: v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15)),
  text: v.pipe(v.string(), v.maxLength(4_096)),
  data: v.record(v.string(), v.unknown()),
});
const pairSchema = v.object({ nodes: v.array(v.string()), lost: v.boolean() });
const sinceAnswer = v.strictObject({
  last: v.pipe(v.number(), v.safeInteger()),
  events: v.pipe(v.array(eventSchema), v.maxLength(eventsAtOnce)),
});

export interface ClusterEventsOptions {
  readonly log: EventLog;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
}

type Push = (event: ClusterEvent) => void;

export class ClusterEvents implements EventService {
  readonly #options: ClusterEventsOptions;
  readonly #followers = new Set<Push>();
  /** While there are followers. */
  #asked: Asked | undefined;
  #timer: Timer | undefined;

  /** Answers the others from now on. */
  constructor(options: ClusterEventsOptions) {
    this.#options = options;
    const { log, peers } = options;
    peers.handle(method, (body) => {
      const { after } = parseBody(sinceRequest, body);
      const fresh = after === null ? [] : log.since(after, eventsAtOnce);
      const last = after === null ? log.last : (fresh.at(-1)?.id ?? Math.max(after, 0));
      return Promise.resolve(jsonBody({ last, events: fresh.filter(({ type }) => isOfItsNode(type)) }));
    });
  }

  follow(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent> {
    return this.#options.log.follow(after, signal);
  }

  /** This node's as `follow` gives them, and among them the others' own from now on, each with its node. */
  async *followAll(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent> {
    const { log } = this.#options;
    const ended = new AbortController();
    const both = AbortSignal.any([signal, ended.signal]);
    const waiting: ClusterEvent[] = [];
    let wake = (): void => undefined;
    const push: Push = (one) => {
      if (waiting.length >= waitingLimit) ended.abort();
      else waiting.push(one);
      wake();
    };
    const stop = (): void => wake();
    both.addEventListener("abort", stop, { once: true });
    const local = (async () => {
      for await (const one of log.follow(after, both)) push(one);
      ended.abort();
    })();
    this.#begin(push);
    try {
      while (!both.aborted) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#end(push);
      ended.abort();
      both.removeEventListener("abort", stop);
      await local;
    }
  }

  #begin(push: Push): void {
    for (const event of this.#asked?.missing ?? []) push(event);
    this.#followers.add(push);
    if (this.#asked !== undefined) return;
    this.#asked = new Asked(this.#options, (event) => {
      for (const follower of this.#followers) follower(event);
    });
    this.#ask(this.#asked);
  }

  #ask(asked: Asked): void {
    asked.again();
    this.#timer = this.#options.clock.after(askEvery_ms, () => this.#ask(asked));
  }

  #end(push: Push): void {
    this.#followers.delete(push);
    if (this.#followers.size > 0) return;
    this.#timer?.cancel();
    this.#asked?.close();
    this.#asked = undefined;
  }
}

/** Where the followers are in the others' events. */
class Asked {
  readonly #after = new Map<NodeId, number>();
  readonly #underWay = new Set<NodeId>();
  /** Members that are alive and do not answer: since when, and what was told of it once it lasted. */
  readonly #silent = new Map<NodeId, { readonly since_ms: number; told: ClusterEvent | null }>();
  /** Of the others, which were told to have lost each other. */
  readonly #lostPairs = new Set<string>();
  #closed = false;

  constructor(
    readonly options: ClusterEventsOptions,
    readonly push: Push,
  ) {}

  /** Of whom could not be asked, what was told of it. */
  get missing(): readonly ClusterEvent[] {
    return [...this.#silent.values()].flatMap(({ told }) => told ?? []);
  }

  /** What is under way is told nobody: those who follow then ask anew. */
  close(): void {
    this.#closed = true;
  }

  again(): void {
    const { membership } = this.options;
    for (const { id, status } of membership.members()) {
      if (status === "failed" || status === "left") this.#gone(id);
      if (status !== "alive") this.#silent.delete(id);
      else if (id !== membership.self && !this.#underWay.has(id)) void this.#ask(id);
    }
  }

  async #ask(node: NodeId): Promise<void> {
    const { peers, log } = this.options;
    this.#underWay.add(node);
    try {
      const body = jsonBody({ after: this.#after.get(node) ?? null });
      const answer = parseBody(
        sinceAnswer,
        await peers.request(node, method, body, { timeout_ms: request_ms }),
      );
      if (this.#closed) return;
      this.#after.set(node, answer.last);
      this.#answered(node);
      // The stream's place is this node's: the others' events come under the id of its last one.
      for (const one of answer.events) if (this.#isNews(one)) this.push({ ...one, id: log.last, node });
    } catch (error) {
      if (!this.#closed) this.#unanswered(node, reasonOf(error));
    } finally {
      this.#underWay.delete(node);
    }
  }

  /** Both ends tell of a pair: the first counts, and this node knows best of its own. */
  #isNews({ type, data }: ClusterEvent): boolean {
    const read = type === pairEvent ? v.safeParse(pairSchema, data) : undefined;
    if (read?.success !== true) return true;
    const { nodes, lost } = read.output;
    if (nodes.includes(this.options.membership.self)) return false;
    const pair = nodes.join(" ");
    if (this.#lostPairs.has(pair) === lost) return false;
    if (!lost) return this.#lostPairs.delete(pair);
    if (this.#lostPairs.size < pairsLimit) this.#lostPairs.add(pair);
    return true;
  }

  /** Nobody tells that such a pair reaches each other again: that one of them is gone is told. */
  #gone(node: NodeId): void {
    for (const pair of this.#lostPairs) if (pair.split(" ").includes(node)) this.#lostPairs.delete(pair);
  }

  #answered(node: NodeId): void {
    const wasTold = (this.#silent.get(node)?.told ?? null) !== null;
    this.#silent.delete(node);
    if (!wasTold) return;
    const { log, clock } = this.options;
    const text = `The events of ${node} are followed again`;
    const at_ms = clock.wall_ms();
    this.push({ id: log.last, type: "events.followed", level: "info", at_ms, text, data: { node } });
  }

  #unanswered(node: NodeId, reason: string): void {
    const { membership, log, clock } = this.options;
    if (membership.member(node)?.status !== "alive") return;
    const now_ms = clock.now_ms();
    const silence = this.#silent.get(node) ?? { since_ms: now_ms, told: null };
    this.#silent.set(node, silence);
    if (silence.told !== null || now_ms - silence.since_ms < patience_ms) return;
    const text = `The events of ${node} cannot be followed: ${reason}`;
    const at_ms = clock.wall_ms();
    const data = { node, reason };
    silence.told = { id: log.last, type: "events.missing", level: "warn", at_ms, text, data };
    this.push(silence.told);
  }
}

/** What only the node concerned, or the one that leads, knows. */
const ownAreas = [
  "message.",
  "agent.trap",
  "agent.yielded",
  "agent.state_lost",
  "store.old_copy",
  "store.cluster_older",
  "agent.not_started",
  "lease.gave_way",
  "failover.",
  "drain.",
  "rebalance.",
  "partition.",
];

/** Others do not see these by themselves. */
function isOfItsNode(type: string): boolean {
  return ownAreas.some((area) => type.startsWith(area));
}
