/**
 * Which agents of this node exchange messages with agents of others, and with how many: what is needed to bring chatty
 * agents together. Messages between two agents of one node do not pass here: of an agent whose remote mail is known,
 * what it handled beyond that counts as local.
 */
import * as v from "valibot";
import type { AssignmentTable } from "../../agents/assignment-table.ts";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import { type PairTraffic, pairsLimit, Traffic } from "../../placement/traffic.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { receiverOf, senderOf } from "../../wire/message.ts";

const trafficMethod = "balancing.traffic";
const period_ms = 10_000;
const request_ms = 2_000;
/** Pairs whose agents' own counts are asked of their thread each period. */
const lookedAt = 256;

const text = v.pipe(v.string(), v.maxLength(128));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1e9));
const answerSchema = v.strictObject({
  pairs: v.pipe(v.array(v.strictObject({ from: text, to: text, rate })), v.maxLength(pairsLimit)),
  /** Messages a second that each agent with remote mail handles. */
  handled: v.pipe(v.array(v.tuple([text, rate])), v.maxLength(2 * pairsLimit)),
});
type Answer = v.InferOutput<typeof answerSchema>;

export type TrafficByAgent = ReadonlyMap<AgentName, ReadonlyMap<NodeId, number>>;

export interface TrafficMeterOptions {
  readonly table: Pick<AssignmentTable, "get">;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly clock: Clock;
  /** How many messages an agent of this node has handled since it came; null where it is not here. */
  readonly handled: (agent: AgentName) => Promise<number | null>;
}

export class TrafficMeter {
  readonly #options: TrafficMeterOptions;
  readonly #traffic = new Traffic();
  /** Of agents with remote mail: handled at the last look, and messages a second since. */
  readonly #handled = new Map<AgentName, { readonly count: number; readonly rate: number }>();
  #latest: TrafficByAgent = new Map();
  #timer: Timer | undefined;

  constructor(options: TrafficMeterOptions) {
    this.#options = options;
    options.peers.handle(trafficMethod, () => Promise.resolve(jsonBody(this.#own())));
    this.#again();
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** A message of an agent here that another node took. */
  sent(message: Uint8Array): void {
    const [from, to] = [senderOf(message), receiverOf(message)];
    if (from.startsWith("~") || to.startsWith("~")) return;
    this.#traffic.note(agentOf(from), agentOf(to));
  }

  /** As it was gathered last. */
  of(agent: AgentName): ReadonlyMap<NodeId, number> {
    return this.#latest.get(agent) ?? new Map();
  }

  /** Of the whole cluster; who cannot be asked is left out. */
  async gather(): Promise<TrafficByAgent> {
    const { membership, peers } = this.#options;
    const others = membership
      .members()
      .filter(({ id, status }) => status === "alive" && id !== membership.self);
    const answers = await Promise.all(
      others.map(async ({ id }): Promise<Answer | null> => {
        try {
          const body = await peers.request(id, trafficMethod, new Uint8Array(), { timeout_ms: request_ms });
          return parseBody(answerSchema, body);
        } catch (error) {
          if (error instanceof CaxtonError) return null;
          throw error;
        }
      }),
    );
    this.#latest = this.#joined([this.#own(), ...answers.filter((answer) => answer !== null)]);
    return this.#latest;
  }

  #own(): Answer {
    const pairs: PairTraffic[] = [...this.#traffic.rates(period_ms / 1_000)];
    const handled = [...this.#handled].map(([agent, { rate: each }]): [string, number] => [agent, each]);
    return { pairs: pairs.map((pair) => ({ ...pair })), handled };
  }

  #joined(answers: readonly Answer[]): TrafficByAgent {
    const { table } = this.#options;
    const joined = new Map<AgentName, Map<NodeId, number>>();
    const remote = new Map<AgentName, number>();
    const add = (agent: AgentName, partner: AgentName, each: number): void => {
      const node = table.get(partner)?.node;
      if (node === undefined) return;
      const rates = joined.get(agent) ?? new Map<NodeId, number>();
      joined.set(agent, rates.set(node, (rates.get(node) ?? 0) + each));
    };
    for (const { pairs } of answers) {
      for (const { from, to, rate: each } of pairs) {
        add(from as AgentName, to as AgentName, each);
        add(to as AgentName, from as AgentName, each);
        remote.set(to as AgentName, (remote.get(to as AgentName) ?? 0) + each);
      }
    }
    for (const { handled } of answers) {
      for (const [agent, each] of handled as [AgentName, number][]) {
        const home = table.get(agent)?.node;
        const local = each - (remote.get(agent) ?? 0);
        const rates = joined.get(agent);
        if (home !== undefined && rates !== undefined && local > 0)
          rates.set(home, (rates.get(home) ?? 0) + local);
      }
    }
    return joined;
  }

  #again(): void {
    this.#timer = this.#options.clock.after(period_ms, () => {
      this.#traffic.fade();
      void this.#look().finally(() => this.#again());
    });
  }

  async #look(): Promise<void> {
    const { table, membership, handled } = this.#options;
    const busiest = this.#traffic.rates(1).slice(0, lookedAt);
    const agents = new Set(busiest.flatMap(({ from, to }) => [from, to]));
    for (const agent of this.#handled.keys()) if (!agents.has(agent)) this.#handled.delete(agent);
    for (const agent of agents) {
      if (table.get(agent)?.node !== membership.self) continue;
      const count = await handled(agent);
      if (count === null) continue;
      const before = this.#handled.get(agent)?.count ?? count;
      this.#handled.set(agent, { count, rate: Math.max(0, count - before) / (period_ms / 1_000) });
    }
  }
}

function agentOf(address: string): AgentName {
  return address.split("@", 1)[0] as AgentName;
}
