/**
 * Nodes that are registered by HTTP and known by their heartbeats alone. Who they are is decided by the cluster; what
 * their heartbeats said is kept by the leader, in memory: a new leader knows no figures until the next heartbeat, and
 * counts silence anew from the state that was decided (ownership/heartbeat-silence.ts).
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { HeartbeatFigures, NodeRegistry, RegisteredNode } from "../../api/node-registry.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId, quote } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { RegistrationStore } from "../../control/registration-store.ts";
import { type FirstSight, silence_ms, stateBySilence } from "../../ownership/heartbeat-silence.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import {
  type Judgement,
  type Registration,
  type RegistrationDetails,
  registrationsLimit,
} from "../../wire/control-registration.ts";
import type { EventLog } from "../events/event-log.ts";

const look_ms = 1_000;
const request_ms = 3_000;
/** What the leader told of figures is taken for so long. */
const figuresKept_ms = 1_000;

const heartbeatMethod = "registrations.heartbeat";
const figuresMethod = "registrations.figures";
const percent = v.pipe(v.number(), v.minValue(0), v.maxValue(100));
const figuresSchema = v.strictObject({
  cpu_usage: percent,
  memory_usage: percent,
  disk_usage: percent,
  load_average: v.pipe(v.number(), v.minValue(0), v.maxValue(1e6)),
});
const nodeId = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((text) => text as NodeId),
);
const heartbeatSchema = v.strictObject({ id: nodeId, figures: v.partial(figuresSchema) });
const heartbeatAnswer = v.strictObject({ revived: v.boolean() });
const heardSchema = v.strictObject({ at_ms: v.number(), figures: figuresSchema });
const figuresAnswer = v.strictObject({
  heard: v.pipe(v.array(v.tuple([nodeId, heardSchema])), v.maxLength(registrationsLimit)),
});
type Heard = v.InferOutput<typeof heardSchema>;

const noFigures: HeartbeatFigures = { cpu_usage: 0, memory_usage: 0, disk_usage: 0, load_average: 0 };

/** What a leader knows of a registration beyond the state. */
interface Watched {
  /** Of the registration: another one was made anew since. */
  readonly registeredAt_ms: number;
  readonly first: FirstSight;
  /** On the monotonic clock; null before the first heartbeat. */
  heard_ms: number | null;
  /** For people. */
  heard: Heard | null;
  /** Since when it is offline, as this leader saw it. */
  offline_ms: number | null;
}

export interface NodeRegistrationsOptions {
  readonly self: NodeId;
  readonly store: RegistrationStore;
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly membership: Pick<Membership, "member">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly clock: Clock;
  readonly events: Pick<EventLog, "record">;
  /** An offline one is forgotten after this; null: never. */
  readonly removeOfflineAfter_ms: number | null;
  readonly failed: (what: string, reason: string) => void;
}

export class NodeRegistrations implements NodeRegistry {
  readonly #options: NodeRegistrationsOptions;
  readonly #unsubscribe: () => void;
  #known = new Map<NodeId, Registration>();
  #read = false;
  #appliedChange = -1;
  /** This node leads and judges: by name. Null on the others. */
  #watched: Map<NodeId, Watched> | null = null;
  #asked: { readonly at_ms: number; readonly heard: ReadonlyMap<NodeId, Heard> } | null = null;
  #timer: Timer | undefined;
  #judging: Promise<void> | null = null;
  #closed = false;

  constructor(options: NodeRegistrationsOptions) {
    this.#options = options;
    const { peers, consensus } = options;
    peers.handle(heartbeatMethod, async (body) => {
      const { id, figures } = parseBody(heartbeatSchema, body);
      return jsonBody({ revived: await this.#hear(id, present(figures)) });
    });
    peers.handle(figuresMethod, () => {
      const heard = [...(this.#watched ?? [])].flatMap(([id, { heard: told }]) =>
        told === null ? [] : [[id, told] as const],
      );
      return Promise.resolve(jsonBody({ heard }));
    });
    this.#unsubscribe = consensus.onStatus(() => this.#follow());
    this.#follow();
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  async list(): Promise<readonly RegisteredNode[]> {
    if (!this.#read) await this.refresh("local");
    if (this.#known.size === 0) return [];
    const heard = await this.#heard();
    return [...this.#known.values()].map((registration) => withFigures(registration, heard));
  }

  async register(details: RegistrationDetails, principal: string): Promise<RegisteredNode> {
    this.#refuseMember(details.id, "already_exists");
    await this.#options.store.put(details, principal);
    await this.refresh("linearizable");
    const registration = this.#known.get(details.id);
    if (registration === undefined)
      throw new CaxtonError("conflict", `Node ${quote(details.id)} was unregistered at the same moment`);
    return withFigures(registration, new Map());
  }

  async heartbeat(id: NodeId, figures: Partial<HeartbeatFigures>): Promise<void> {
    const { self, consensus, peers } = this.#options;
    this.#refuseMember(id, "conflict");
    const { leader } = consensus.status();
    if (leader === null)
      throw new CaxtonError("no_quorum", "There is no leader that could take a heartbeat; send the next one");
    if (leader === self) {
      await this.#hear(id, figures);
      return;
    }
    const answer = await peers.request(leader, heartbeatMethod, jsonBody({ id, figures }), {
      timeout_ms: request_ms,
    });
    const { revived } = parseBody(heartbeatAnswer, answer);
    if (revived) await this.refresh("linearizable");
  }

  async unregister(id: NodeId, principal: string): Promise<void> {
    await this.#options.store.remove(id, null, principal);
    await this.refresh("linearizable");
  }

  #refuseMember(id: NodeId, code: "already_exists" | "conflict"): void {
    const member = this.#options.membership.member(id);
    if (member === undefined || member.status === "left") return;
    const detail =
      code === "conflict"
        ? `Node ${quote(id)} is a member of the cluster and tells of itself by gossip: it takes no heartbeats`
        : `Node ${quote(id)} is a member of the cluster already`;
    throw new CaxtonError(code, detail);
  }

  /** At the leader. Whether it was thought silent before. */
  async #hear(id: NodeId, figures: Partial<HeartbeatFigures>): Promise<boolean> {
    if (this.#watched === null)
      throw new CaxtonError("not_leader", "This node does not lead: heartbeats are the leader's");
    if (!this.#known.has(id)) await this.refresh("linearizable");
    const registration = this.#known.get(id);
    if (registration === undefined) {
      throw new CaxtonError(
        "node_not_found",
        `No node ${quote(id)} is registered; register it first: POST /api/cluster/nodes`,
      );
    }
    const watched = this.#watch(registration);
    if (watched === undefined)
      throw new CaxtonError("not_leader", "This node leads no more: send the heartbeat again");
    const { clock } = this.#options;
    watched.heard_ms = clock.now_ms();
    const before = watched.heard?.figures ?? noFigures;
    watched.heard = { at_ms: clock.wall_ms(), figures: { ...before, ...figures } };
    if (registration.state === "online") return false;
    await this.#look();
    return true;
  }

  /** Leading or not, and whether the decided registrations changed. */
  #follow(): void {
    if (this.#closed) return;
    const { role, ready, watched } = this.#options.consensus.status();
    const leads = role === "leader" && ready;
    if (leads !== (this.#watched !== null)) {
      this.#watched = leads ? new Map() : null;
      this.#timer?.cancel();
      if (leads) this.#tick();
    }
    if (watched === this.#appliedChange) return;
    this.#appliedChange = watched;
    this.refresh("local").catch((error: unknown) => {
      this.#appliedChange = -1;
      this.#options.failed("read the registered nodes", reasonOf(error));
    });
  }

  #tick(): void {
    this.#timer = this.#options.clock.after(look_ms, () => {
      if (this.#closed || this.#watched === null) return;
      this.#look().catch((error: unknown) =>
        this.#options.failed("judge the registered nodes", reasonOf(error)),
      );
      this.#tick();
    });
  }

  async refresh(consistency: "linearizable" | "local"): Promise<void> {
    const registrations = await this.#options.store.list(consistency);
    const before = this.#known;
    this.#known = new Map(registrations.map((registration) => [registration.id, registration]));
    if (this.#read) this.#tell(before);
    this.#read = true;
  }

  #tell(before: ReadonlyMap<NodeId, Registration>): void {
    const { events } = this.#options;
    for (const [node, { state, host, port }] of this.#known) {
      const was = before.get(node)?.state;
      if (was === state) continue;
      const known = was === undefined ? `registered (${host}:${port})` : stateWords[state];
      const level = state === "online" ? "info" : "warn";
      events.record(level, `node.${was === undefined ? "registered" : state}`, `Node ${node} ${known}`, {
        node,
      });
    }
    for (const node of before.keys()) {
      if (!this.#known.has(node))
        events.record("info", "node.unregistered", `Node ${node} is registered no more`, { node });
    }
  }

  /** Undefined on any other node than the leader. */
  #watch(registration: Registration): Watched | undefined {
    if (this.#watched === null) return undefined;
    const { id, at_ms, state } = registration;
    const known = this.#watched.get(id);
    if (known !== undefined && known.registeredAt_ms === at_ms) return known;
    const first = { state, at_ms: this.#options.clock.now_ms() };
    const watched = { registeredAt_ms: at_ms, first, heard_ms: null, heard: null, offline_ms: null };
    this.#watched.set(id, watched);
    return watched;
  }

  /** One at a time; whoever asks meanwhile waits for one that began later. */
  async #look(): Promise<void> {
    const before = this.#judging;
    if (before !== null) await before.catch(() => undefined);
    if (this.#judging !== null && this.#judging !== before) return await this.#judging;
    const judging = this.#judge();
    this.#judging = judging;
    try {
      await judging;
    } finally {
      if (this.#judging === judging) this.#judging = null;
    }
  }

  async #judge(): Promise<void> {
    const { clock, consensus, store, removeOfflineAfter_ms } = this.#options;
    if (this.#watched === null) return;
    for (const id of this.#watched.keys()) if (!this.#known.has(id)) this.#watched.delete(id);
    const now_ms = clock.now_ms();
    const { term } = consensus.status();
    const judgements: Judgement[] = [];
    const gone: Registration[] = [];
    for (const registration of this.#known.values()) {
      const watched = this.#watch(registration);
      if (watched === undefined) return;
      const state = stateBySilence(silence_ms(watched.first, watched.heard_ms, now_ms));
      watched.offline_ms = state === "offline" ? (watched.offline_ms ?? now_ms) : null;
      const { id, version } = registration;
      if (this.#isMember(id)) gone.push(registration);
      else if (state !== registration.state) judgements.push({ id, version, state });
      else if (removeOfflineAfter_ms !== null && watched.offline_ms !== null) {
        if (now_ms - watched.offline_ms >= removeOfflineAfter_ms) gone.push(registration);
      }
    }
    if (judgements.length > 0) await store.judge({ term, judgements });
    for (const { id, version } of gone) await this.#forget(id, version);
    if (judgements.length > 0 || gone.length > 0) await this.refresh("linearizable");
  }

  /** It joined by gossip, or was offline for long; unless it was heard at the same moment. */
  async #forget(id: NodeId, version: number): Promise<void> {
    const { store, events } = this.#options;
    try {
      await store.remove(id, version, "");
    } catch (error) {
      if (error instanceof CaxtonError && ["conflict", "node_not_found"].includes(error.code)) return;
      throw error;
    }
    const why = this.#isMember(id) ? "a node of that name joined by gossip" : "it was offline for too long";
    events.record("warn", "node.forgotten", `The registration of node ${id} ended: ${why}`, { node: id });
  }

  #isMember(id: NodeId): boolean {
    const status = this.#options.membership.member(id)?.status;
    return status === "alive" || status === "suspect";
  }

  async #heard(): Promise<ReadonlyMap<NodeId, Heard>> {
    if (this.#watched !== null) {
      const heard = new Map<NodeId, Heard>();
      for (const [id, { heard: told }] of this.#watched) if (told !== null) heard.set(id, told);
      return heard;
    }
    const { self, consensus, peers, clock } = this.#options;
    const now_ms = clock.now_ms();
    const { leader } = consensus.status();
    const last = this.#asked;
    const isFresh = last !== null && now_ms - last.at_ms < figuresKept_ms;
    if (leader === null || leader === self || isFresh) return last?.heard ?? new Map();
    try {
      const answer = await peers.request(leader, figuresMethod, jsonBody({}), { timeout_ms: request_ms });
      const heard = new Map(parseBody(figuresAnswer, answer).heard);
      this.#asked = { at_ms: now_ms, heard };
      return heard;
    } catch (error) {
      // The figures are of before then, and say so: `last_seen`.
      if (!(error instanceof CaxtonError)) throw error;
      return last?.heard ?? new Map();
    }
  }
}

const stateWords = {
  online: "sends heartbeats again",
  unhealthy: "is unhealthy: it has sent no heartbeat for 90s",
  offline: "is offline: it has sent no heartbeat for 180s",
} as const;

function withFigures(registration: Registration, heard: ReadonlyMap<NodeId, Heard>): RegisteredNode {
  const told = heard.get(registration.id);
  return { ...registration, figures: told?.figures ?? null, lastSeen_ms: told?.at_ms ?? registration.at_ms };
}

/** Without what a schema of optional fields leaves undefined. */
function present(figures: { readonly [K in keyof HeartbeatFigures]?: number | undefined }) {
  return Object.fromEntries(
    Object.entries(figures).filter(([, value]) => value !== undefined),
  ) as Partial<HeartbeatFigures>;
}
