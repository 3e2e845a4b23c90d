/**
 * The dead letters of the whole cluster: each node keeps its own, and the node that is asked asks the
 * others. Who could not be asked is said, so that a short list is never taken for a complete one.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { jsonBody, parseBody } from "../agents/agent-requests.ts";
import type {
  DeadLetterService,
  ListedDeadLetter,
  ListedDeadLetters,
  NotAsked,
  SelectedDeadLetters,
} from "../api/services.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { type MessageId, namePattern, quote, type NodeId } from "../base/ids.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import { Unanswered } from "../cluster/peers/unanswered.ts";
import type { Router } from "../messaging/router.ts";
import type { DeadLetter, Page, Store } from "../store/store.ts";
import { decodeDeadLetterPage, encodeDeadLetterPage } from "../wire/dead-letter-page.ts";
import { messageIdOf, readUuid, writeMessageId } from "../wire/message.ts";

const request_ms = 5_000;
/** Asked at the same time: each may answer with 32 MiB. */
const askedAtOnce = 4;
const replayPage = 500;
const ids_max = 1_000;

const methods = {
  list: "dead-letters.list",
  replay: "dead-letters.replay",
  purge: "dead-letters.purge",
} as const;

const listRequest = v.strictObject({
  limit: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000)),
  cursor: v.nullable(v.pipe(v.string(), v.maxLength(128))),
});
const idsRequest = v.strictObject({
  ids: v.union([
    v.literal("all"),
    v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), v.maxLength(ids_max)),
  ]),
});
const countAnswer = v.strictObject({ count: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) });

export interface DeadLettersOptions {
  readonly self: NodeId;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly store: Store;
  readonly router: Router;
  /** How long a message that is sent again is tried. */
  readonly retry_ms: number;
}

export class NodeDeadLetters implements DeadLetterService {
  readonly #options: DeadLettersOptions;
  /** Changes of this node's own come one after another, so that two replays do not send the same letters. */
  #lastChange: Promise<unknown> = Promise.resolve();

  /** Answers the others from now on. */
  constructor(options: DeadLettersOptions) {
    this.#options = options;
    const { peers, store } = options;
    peers.handle(methods.list, async (body) =>
      encodeDeadLetterPage(await store.listDeadLetters(parseBody(listRequest, body))),
    );
    peers.handle(methods.replay, async (body) =>
      jsonBody({ count: await this.#replayHere(parseBody(idsRequest, body).ids) }),
    );
    peers.handle(methods.purge, async (body) =>
      jsonBody({ count: await this.#purgeHere(parseBody(idsRequest, body).ids) }),
    );
  }

  /** Pages go node by node in order of their names, each node newest first; within a page all are, whose they be. */
  async list(options: {
    readonly node: NodeId | null;
    readonly limit: number;
    readonly cursor: string | null;
  }): Promise<ListedDeadLetters> {
    const { limit } = options;
    const start = parseCursor(options.cursor);
    const nodes = this.#nodes(options.node).filter((node) => start === null || node >= start.node);
    const items: ListedDeadLetter[] = [];
    const notAsked: NotAsked[] = [];
    for (let at = 0; at < nodes.length; at += askedAtOnce) {
      const some = nodes.slice(at, at + askedAtOnce);
      const cursorAt = (node: NodeId): string | null => (node === start?.node ? start.inner : null);
      const answers = await this.#askAll(some, notAsked, (node) => this.#page(node, limit, cursorAt(node)));
      for (const { node, answer } of answers) {
        if (answer.items.length === 0) continue;
        const room = limit - items.length;
        if (room === 0)
          return { items: newestFirst(items), next: formatCursor(node, cursorAt(node)), notAsked };
        // A page that does not fit whole is asked for again, so that its node says where it goes on.
        const page = answer.items.length <= room ? answer : await this.#page(node, room, cursorAt(node));
        items.push(...page.items.map((letter) => ({ ...letter, node })));
        if (page.next !== null)
          return { items: newestFirst(items), next: formatCursor(node, page.next), notAsked };
      }
    }
    return { items: newestFirst(items), next: null, notAsked };
  }

  replay(selected: SelectedDeadLetters): ReturnType<DeadLetterService["replay"]> {
    return this.#change(selected, methods.replay, (ids) => this.#replayHere(ids));
  }

  purge(selected: SelectedDeadLetters): ReturnType<DeadLetterService["purge"]> {
    return this.#change(selected, methods.purge, (ids) => this.#purgeHere(ids));
  }

  /** Ids are of one node, this one unless named; "all" is of every node unless one is named. */
  async #change(
    { ids, node }: SelectedDeadLetters,
    method: string,
    here: (ids: readonly number[] | "all") => Promise<number>,
  ): ReturnType<DeadLetterService["replay"]> {
    const { self, peers } = this.#options;
    const at = async (target: NodeId): Promise<number> => {
      if (target === self) return await here(ids);
      const answer = await peers.request(target, method, jsonBody({ ids }), { timeout_ms: request_ms });
      return parseBody(countAnswer, answer).count;
    };
    if (ids !== "all" || node !== null) {
      const [target] = this.#nodes(node ?? self);
      return { count: target === undefined ? 0 : await at(target), notAsked: [], noAnswer: [] };
    }
    const [notAsked, noAnswer]: [NotAsked[], NotAsked[]] = [[], []];
    const answers = await this.#askAll(this.#nodes(null), notAsked, at, noAnswer);
    return { count: answers.reduce((sum, { answer }) => sum + answer, 0), notAsked, noAnswer };
  }

  /** By name; one of them, or all that have not left. */
  #nodes(wanted: NodeId | null): readonly NodeId[] {
    const { membership } = this.#options;
    if (wanted !== null && membership.member(wanted) === undefined)
      throw new CaxtonError("node_not_found", `No node ${quote(wanted)} in this cluster`);
    if (wanted !== null) return [wanted];
    const there = membership.members().filter(({ status }) => status !== "left");
    return there.map(({ id }) => id).toSorted();
  }

  /**
   * The answers of those who gave one, in the order of `nodes`; who gave none is added to `notAsked`, or to `noAnswer`
   * when the question had left.
   */
  async #askAll<T>(
    nodes: readonly NodeId[],
    notAsked: NotAsked[],
    ask: (node: NodeId) => Promise<T>,
    noAnswer = notAsked,
  ): Promise<readonly { readonly node: NodeId; readonly answer: T }[]> {
    const { membership, self } = this.#options;
    type Missing = NotAsked & { readonly list: NotAsked[] };
    const asked = nodes.map(async (node): Promise<Missing | { node: NodeId; answer: T }> => {
      if (node !== self && membership.member(node)?.status === "failed")
        return { node, reason: "it is failed", list: notAsked };
      try {
        return { node, answer: await ask(node) };
      } catch (error) {
        if (node === self) throw error;
        return { node, reason: reasonOf(error), list: error instanceof Unanswered ? noAnswer : notAsked };
      }
    });
    const answers: { readonly node: NodeId; readonly answer: T }[] = [];
    for (const result of await Promise.all(asked)) {
      if ("answer" in result) answers.push(result);
      else result.list.push({ node: result.node, reason: result.reason });
    }
    return answers;
  }

  async #page(node: NodeId, limit: number, cursor: string | null): Promise<Page<DeadLetter>> {
    const { self, store, peers } = this.#options;
    if (node === self) return await store.listDeadLetters({ limit, cursor });
    const body = jsonBody({ limit, cursor });
    return decodeDeadLetterPage(await peers.request(node, methods.list, body, { timeout_ms: request_ms }));
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#lastChange.then(change);
    this.#lastChange = turn.catch(() => undefined);
    return turn;
  }

  #replayHere(ids: readonly number[] | "all"): Promise<number> {
    return this.#inTurn(() => this.#replay(ids));
  }

  async #replay(ids: readonly number[] | "all"): Promise<number> {
    const { self, store, router, retry_ms } = this.#options;
    const wanted = ids === "all" ? null : new Set(ids);
    const letters: DeadLetter[] = [];
    for (let cursor: string | null = null, more = true; more; more = cursor !== null) {
      const page: Page<DeadLetter> = await store.listDeadLetters({ limit: replayPage, cursor });
      letters.push(...page.items.filter(({ id }) => wanted === null || wanted.has(id)));
      cursor = page.next;
    }
    for (let start = 0; start < letters.length; start += replayPage) {
      const some = letters.slice(start, start + replayPage);
      // First in the outbox, then out of the dead letters: a crash between may repeat, never lose.
      const messages = some.map((letter) => messageAgain(letter, self));
      await store.append(messages.map((message) => ({ kind: "outbox", message }) as const));
      await store.takeDeadLetters(some.map(({ id }) => id));
      for (const message of messages) {
        router.submit(message, { durable: true, retry_ms, deadLetter: true, done: () => {} });
      }
    }
    return letters.length;
  }

  #purgeHere(ids: readonly number[] | "all"): Promise<number> {
    return this.#inTurn(async () => (await this.#options.store.takeDeadLetters(ids)).length);
  }
}

/**
 * What is sent for a dead letter. One whose receiver trapped was accepted there: under its id it would be taken for
 * a repetition and dropped. So it gets another, the same for the same letter, since a crash may repeat a replay.
 * Any other keeps its id: where its receiver had handled it after all, it is not handled twice.
 */
function messageAgain({ id, reason, message }: DeadLetter, node: NodeId): Uint8Array {
  if (!reason.startsWith("trap:")) return message;
  const hash = createHash("sha256")
    .update(`replay ${node} ${id} ${messageIdOf(message)}`)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const again = message.slice();
  writeMessageId(again, readUuid(hash, 0) as MessageId);
  return again;
}

/** `node:cursor`, where the cursor is the node's own and empty at its beginning. */
function formatCursor(node: NodeId, inner: string | null): string {
  return `${node}:${inner ?? ""}`;
}

function parseCursor(cursor: string | null): { readonly node: NodeId; readonly inner: string | null } | null {
  if (cursor === null) return null;
  const [, node = "", inner = ""] = /^([^:]+):([^:]*)$/.exec(cursor) ?? [];
  if (!namePattern.test(node))
    throw new CaxtonError("invalid_argument", `Cursor ${quote(cursor)} is not one of this listing`);
  return { node: node as NodeId, inner: inner === "" ? null : inner };
}

/** Those of one time stay in the order of their nodes. */
function newestFirst(items: readonly ListedDeadLetter[]): readonly ListedDeadLetter[] {
  return items.toSorted((a, b) => b.at_ms - a.at_ms);
}
