/**
 * Are the replicas the same? A mark goes through the log, so that each replica notes its hash at one
 * index; where two differ, the first row that does is looked for.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { hexOfBytes } from "../../base/hex.ts";
import type { NodeId } from "../../base/ids.ts";
import type { ControlClient } from "../../control/control-client.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ControlHash, RowDigest } from "../../wire/control-hash.ts";
import { controlCommands } from "../../wire/control-kinds.ts";
import { WireError, decodeUtf8 } from "../../wire/cursor.ts";
import type { ReplicaQueries } from "./replica-queries.ts";

/** Replicas at one index, and the first place where they are not the same. */
export interface StateComparison {
  /** The log index at which all were asked. */
  readonly index: number;
  readonly nodes: readonly ComparedReplica[];
  readonly difference: StateDifference | null;
}

export interface ComparedReplica {
  readonly node: NodeId;
  /** Null when it could not be asked. */
  readonly hash: string | null;
  /** As the reference: what most of them have. */
  readonly same: boolean | null;
  readonly detail: string;
}

export interface StateDifference {
  readonly node: NodeId;
  readonly section: string;
  /** Null where no single row was found to differ. */
  readonly key: string | null;
  readonly detail: string;
}

/** How long a replica that is behind is waited for. */
const catchUp_ms = 5_000;
const askAgain_ms = 100;
const rowsAtOnce = 1_000;
/** A difference of rows counts when it is seen so often: the replicas go on while they are walked. */
const sightings = 3;

interface Marked {
  readonly node: NodeId;
  readonly hash: ControlHash | null;
  readonly detail: string;
}

export class StateComparer {
  readonly #client: ControlClient;
  readonly #replicas: ReplicaQueries;
  readonly #clock: Clock;

  constructor(client: ControlClient, replicas: ReplicaQueries, clock: Clock) {
    this.#client = client;
    this.#replicas = replicas;
    this.#clock = clock;
  }

  /** Throws as a command does when there is no quorum for the mark. */
  async compare(nodes: readonly NodeId[]): Promise<StateComparison> {
    const mark = { kind: controlCommands.mark, body: new Uint8Array(), principal: "", idempotencyKey: null };
    const { index } = await this.#client.command(mark);
    const marked = await Promise.all(nodes.map((node) => this.#marked(node, index)));
    const reference = commonest(marked);
    const compared = marked.map(({ node, hash, detail }) => ({
      node,
      hash: hash?.root ?? null,
      same: hash === null ? null : hash.root === reference?.hash?.root,
      detail,
    }));
    const other = marked.find(({ hash }) => hash !== null && hash.root !== reference?.hash?.root);
    const difference =
      reference === undefined || other === undefined ? null : await this.#difference(reference, other);
    return { index, nodes: compared, difference };
  }

  async #marked(node: NodeId, index: number): Promise<Marked> {
    const end_ms = this.#clock.now_ms() + catchUp_ms;
    for (;;) {
      try {
        return { node, hash: await this.#replicas.mark(node, index), detail: "" };
      } catch (error) {
        const behind = error instanceof CaxtonError && error.code === "not_found";
        if (!behind || this.#clock.now_ms() >= end_ms) return { node, hash: null, detail: reasonOf(error) };
      }
      await new Promise<void>((resolve) => {
        this.#clock.after(askAgain_ms, resolve);
      });
    }
  }

  async #difference(reference: Marked, other: Marked): Promise<StateDifference> {
    const theirs = new Map(other.hash?.sections.map(({ name, hash }) => [name, hash]));
    const differing = (reference.hash?.sections ?? []).filter(({ name, hash }) => theirs.get(name) !== hash);
    // The head differs as soon as anything does: it is named only when nothing else is.
    const section = differing.find(({ name }) => name !== "log")?.name ?? "log";
    const place = { node: other.node, section };
    if (section === "log") {
      return { ...place, key: null, detail: `its log or clock differs from that of ${reference.node}` };
    }
    try {
      const found = await this.#confirmed(section, reference.node, other.node);
      if (found !== null) return { ...place, ...found };
    } catch (error) {
      return { ...place, key: null, detail: `rows could not be compared: ${reasonOf(error)}` };
    }
    return { ...place, key: null, detail: `differs from ${reference.node}, though no row does now` };
  }

  async #confirmed(
    section: string,
    a: NodeId,
    b: NodeId,
  ): Promise<{ readonly key: string; readonly detail: string } | null> {
    let found: FirstDifference | null = null;
    for (let seen = 0; seen < sightings; seen++) {
      const now: FirstDifference | null = await this.#firstRow(section, a, b, found?.before ?? null);
      if (now === null) return null;
      found = now;
    }
    return found === null ? null : { key: keyText(found.key), detail: found.detail };
  }

  /** Walks both in order of keys to the first that only one has, or that has two hashes. */
  async #firstRow(
    section: string,
    a: NodeId,
    b: NodeId,
    start: Uint8Array | null,
  ): Promise<FirstDifference | null> {
    let after = start;
    for (;;) {
      const walk = { section, after, limit: rowsAtOnce };
      const [left, right] = await Promise.all([this.#replicas.walk(a, walk), this.#replicas.walk(b, walk)]);
      for (let i = 0; i < Math.max(left.length, right.length); i++) {
        const found = differenceAt(left[i], right[i], a, b);
        if (found !== null) return { ...found, before: after };
        after = left[i]?.key ?? after;
      }
      if (left.length < rowsAtOnce) return null;
    }
  }
}

interface FirstDifference {
  readonly key: Uint8Array;
  readonly detail: string;
  /** The last key before it that is the same; null at the beginning. */
  readonly before: Uint8Array | null;
}

function differenceAt(
  left: RowDigest | undefined,
  right: RowDigest | undefined,
  a: NodeId,
  b: NodeId,
): { readonly key: Uint8Array; readonly detail: string } | null {
  if (left === undefined && right === undefined) return null;
  if (left === undefined) return { key: (right as RowDigest).key, detail: `only ${b} has it` };
  if (right === undefined) return { key: left.key, detail: `only ${a} has it` };
  const order = Buffer.compare(left.key, right.key);
  if (order < 0) return { key: left.key, detail: `only ${a} has it` };
  if (order > 0) return { key: right.key, detail: `only ${b} has it` };
  return left.digest === right.digest ? null : { key: left.key, detail: `${a} and ${b} hold different rows` };
}

/** One of those whose hash most have; the first of several. */
function commonest(marked: readonly Marked[]): Marked | undefined {
  const count = (root: string): number => marked.filter(({ hash }) => hash?.root === root).length;
  const answered = marked.filter(({ hash }) => hash !== null);
  return answered.toSorted((a, b) => count(b.hash?.root ?? "") - count(a.hash?.root ?? ""))[0];
}

function keyText(key: Uint8Array): string {
  try {
    const text = decodeUtf8(key);
    // oxlint-disable-next-line no-control-regex -- keys that are numbers or hashes are shown as digits
    return /[\u0000-\u001f\u007f]/.test(text) ? hexOfBytes(key) : text;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return hexOfBytes(key);
  }
}
