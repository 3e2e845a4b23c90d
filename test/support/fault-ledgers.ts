/**
 * What clients of a cluster under faults were promised, and whether it was kept: writes of keys of their own, and
 * messages to counting agents, one after another for each agent, asked again under the same key until answered.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./node-process.ts";
import type { MachineNode } from "./machine-node.ts";

/** Between two writes of a node, and before something refused is asked again. */
const writePause_ms = 150;
const again_ms = 200;
const reply_ms = 5_000;
/** So often in all a message that was accepted is asked for its reply: owners are found and outboxes tried meanwhile. */
const unanswered_max = 8;
/**
 * What an agent that began anew may count of its former life, of a client that asks one by one: the message that was
 * answered and not yet known to its sender's node to be accepted. The outbox brings it once more, sooner or later, and what
 * would have known it, the journal, was lost with the node (`--on-node-loss restart`). Never where the journal is kept.
 */
const repeated_max = 1;
/** Of the messages before an unexpected count, so many may be the one that was counted again. */
const looked_max = 8;
/** A second answer is written down soon after the count that it has raised. */
const seen_ms = 5_000;
/** At the end, so many more may pass one whose reply was given up: conversations wait for no other's order. */
const more_max = 200;
/** Keys that are read at the same time at the end. */
const readsAtOnce = 16;

/** Writes at each node, each of a key that nobody else writes: what was acknowledged must be there in the end. */
export class WriteLedger {
  readonly #acknowledged = new Map<string, string>();
  readonly #loops: Promise<void>[] = [];
  #queued = 0;
  #ended = false;

  start(nodes: readonly MachineNode[]): void {
    for (const node of nodes) this.#loops.push(this.#write(node));
  }

  /** Nothing more is written. */
  end(): void {
    this.#ended = true;
  }

  /** Throws with the keys that are not there as they were acknowledged. */
  async check(nodes: readonly MachineNode[]): Promise<string> {
    this.end();
    await Promise.all(this.#loops);
    const left = [...this.#acknowledged];
    const lost: string[] = [];
    const reader = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [key, value] = next;
        const node = nodes[left.length % nodes.length] as MachineNode;
        const read = await eventually(`a read of ${key}`, async () => {
          const answer = await node.request(`/api/v1/kv/${key}?consistency=linearizable`);
          return answer.status === 200 || answer.status === 404 ? answer : undefined;
        });
        if (read.status !== 200 || read.body !== value) lost.push(`${key} (${read.status} ${read.body})`);
      }
    };
    await Promise.all(Array.from({ length: readsAtOnce }, reader));
    if (lost.length > 0) throw new Error(`${lost.length} acknowledged writes are lost: ${lost.join(", ")}`);
    return `${this.#acknowledged.size} acknowledged writes are there, ${this.#queued} of them queued by a minority`;
  }

  async #write(node: MachineNode): Promise<void> {
    for (let n = 1; !this.#ended; n++) {
      const key = `own-${node.id}-${n}`;
      const headers = { "content-type": "text/plain" };
      const { status } = await node.request(`/api/v1/kv/${key}`, { method: "PUT", headers, body: `${n}` });
      if (status >= 200 && status < 300) this.#acknowledged.set(key, `${n}`);
      if (status === 202) this.#queued++;
      await sleep(writePause_ms);
    }
  }
}

interface Assigned {
  readonly agent_name: string;
  readonly epoch: number;
}

interface Conversation {
  readonly messages: readonly { readonly sender: string; readonly content: string | number }[];
}

interface Answer {
  readonly reply: { readonly performative: string; readonly content: string | number } | null;
}

/** What came of a message: its count, that it was accepted and its answer is lost, or what went wrong. */
type Counted = number | "unknown" | { readonly problem: string };

/**
 * A client of each of some counting agents. Where an agent keeps its journal through all faults, the n-th message must be
 * answered with n: neither lost nor counted twice nor counted by somebody else. So it must where it may begin anew on
 * another node, while it does not; a count that is too low is a new life only if the cluster has given the agent a new
 * epoch since, and starts with what was sent since and at most one message more; if that one comes later, its conversation
 * shows that it was answered twice. A reply is lost when the node dies to which it came, or comes later than it is waited
 * for; then later counts tell what the message did.
 */
export class CounterLedger {
  readonly #problems: string[] = [];
  readonly #loops: Promise<void>[] = [];
  #answered = 0;
  #unknown = 0;
  #anew = 0;
  #repeated = 0;
  #ended = false;
  #abandoned = false;

  start(agent: string, at: MachineNode, mayBeginAnew: boolean): void {
    this.#loops.push(this.#follow(agent, at, mayBeginAnew));
  }

  get answered(): number {
    return this.#answered;
  }

  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Nothing more is sent, whatever is left open. */
  end(): void {
    this.#ended = true;
    this.#abandoned = true;
  }

  /** Ends when what is under way is answered. Throws with what was answered wrongly. */
  async check(): Promise<string> {
    this.#ended = true;
    await Promise.all(this.#loops);
    if (this.#problems.length > 0) throw new Error(this.#problems.join("\n"));
    return (
      `${this.#answered} messages were counted once each; ${this.#unknown} replies were lost with the node they came to; ` +
      `${this.#anew} times an agent began anew elsewhere, ${this.#repeated} of them with a message of before`
    );
  }

  async #follow(agent: string, at: MachineNode, mayBeginAnew: boolean): Promise<void> {
    let last = 0;
    /** Accepted, their replies not waited for any longer, and not counted yet as far as is known. */
    let open = 0;
    /** Under which its latest life was seen. */
    let epoch = mayBeginAnew ? await this.#epochAbove(0, agent, at) : 0;
    /** How many messages of its former life this one may still count, and which was the first one of this life. */
    let [mayRepeat, began] = [0, 1];
    let more = 0;
    // The last ones are to be answered until it is known what became of those before them.
    for (
      let n = 1;
      !this.#ended || (open > 0 && !mayBeginAnew && !this.#abandoned && more++ < more_max);
      n++
    ) {
      const counted = await this.#send(agent, at, n);
      if (counted === "unknown") {
        open++;
        this.#unknown++;
        continue;
      }
      const [lowest, highest] = [last + 1, last + 1 + open];
      if (typeof counted === "number" && counted >= lowest && counted <= highest) {
        this.#answered++;
        [last, open] = [counted, highest - counted];
        continue;
      }
      if (counted === highest + 1 && mayRepeat > 0 && (await this.#countedAgain(agent, at, began))) {
        mayRepeat--;
        this.#repeated++;
        this.#answered++;
        [last, open] = [counted, 0];
        continue;
      }
      // That node may hear later of a new life than the message found its way.
      const mayBeAnew = typeof counted === "number" && counted >= 1 && counted <= open + 1 + repeated_max;
      const now =
        mayBeginAnew && mayBeAnew ? await this.#epochAbove(epoch, agent, at).catch(() => epoch) : epoch;
      if (!mayBeAnew || now === epoch) {
        const what = typeof counted === "number" ? `was answered with ${counted}` : counted.problem;
        this.#problems.push(`${agent}: message ${n} ${what}, after ${last} and ${open} lost replies`);
        return;
      }
      this.#anew++;
      [mayRepeat, began] = [repeated_max, n];
      if (counted > open + 1) {
        mayRepeat--;
        this.#repeated++;
      }
      this.#answered++;
      [epoch, last, open] = [now, counted, Math.max(0, open + 1 - counted)];
    }
    if (open > 0 && !mayBeginAnew && !this.#abandoned)
      this.#problems.push(`${agent}: ${open} messages that were accepted were never counted`);
  }

  /** Whether a message of before its `began`-th, which was answered by its former life, was answered by this one, too. */
  async #countedAgain(agent: string, at: MachineNode, began: number): Promise<boolean> {
    const before = Array.from({ length: looked_max }, (_, ago) => began - 1 - ago).filter((n) => n > 0);
    const look = async (): Promise<true | undefined> => {
      for (const n of before) {
        const found = await at.ask<Conversation>(`/api/v1/conversations/${agent}-${n}`);
        const replies = (found?.messages ?? []).filter(({ sender }) => !sender.startsWith("~"));
        if (new Set(replies.map(({ content }) => String(content))).size > 1) return true;
      }
      return undefined;
    };
    return await eventually(`an answer that came twice to a client of ${agent}`, look, seen_ms).catch(
      () => false,
    );
  }

  async #epochAbove(epoch: number, agent: string, at: MachineNode): Promise<number> {
    return await eventually(`${at.id} tells an epoch of ${agent} above ${epoch}`, async () => {
      const path = "/api/cluster/assignments";
      const found = await at.ask<{ readonly assignments: readonly Assigned[] }>(path);
      const now = found?.assignments.find(({ agent_name }) => agent_name === agent)?.epoch ?? 0;
      return now > epoch ? now : undefined;
    });
  }

  async #send(agent: string, at: MachineNode, n: number): Promise<Counted> {
    const headers = { "content-type": "application/json", "idempotency-key": `${agent}-${n}` };
    const conversation_id = `${agent}-${n}`;
    const body = JSON.stringify({ receiver: agent, performative: "request", content: "+1", conversation_id });
    const path = `/api/v1/messages?wait=${reply_ms}ms`;
    let unanswered = 0;
    try {
      return await eventually(
        `${at.id} takes message ${n} for ${agent}`,
        async (): Promise<Counted | undefined> => {
          const answer = await at.request(path, { method: "POST", headers, body });
          if (answer.status === 504 && ++unanswered >= unanswered_max) return "unknown";
          if (answer.status !== 200) {
            await sleep(again_ms);
            throw new Error(`${answer.status} ${answer.body}`);
          }
          const value = Number((JSON.parse(answer.body) as Answer).reply?.content);
          return Number.isInteger(value) ? value : { problem: `was answered with ${answer.body}` };
        },
      );
    } catch (error) {
      return { problem: `was not taken: ${error instanceof Error ? error.message : String(error)}` };
    }
  }
}
