/**
 * `--bootstrap-expect N`: nodes that start with one cluster key and no cluster wait until N of them know each other,
 * and then exactly one begins. The one with the lowest id asks all others for their promise. A promise is given once in
 * the life of a data directory, durably, to one node; so of any sets of nodes that overlap one at most begins.
 */
import { readFileSync } from "node:fs";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { ConsensusStatus } from "../../cluster/consensus/consensus.ts";
import type { Member, Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import { replaceFile } from "../../platform/node/replace-file.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { deriveKey } from "../../security/keyring.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";

const method = "cluster.bootstrap-promise";
const try_ms = 500;
const answer_ms = 2_000;
/** Told again after so many tries: once in half a minute. */
const triesBetweenNotes = 60;

/** The same at every node with this key and cluster name, so that they can meet before any of them has begun. */
export function expectedClusterUuid(clusterKey: Uint8Array, cluster: string): string {
  const hex = Buffer.from(deriveKey(clusterKey, "cluster uuid", encodeUtf8(cluster), 16)).toString("hex");
  // Version 8, variant 10: made of our own (RFC 9562, section 5.8).
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join("-");
}

export interface BootstrapOptions {
  /** N; null of a node that never waits: it promises nothing and begins nothing. */
  readonly expect: number | null;
  readonly membership: Pick<Membership, "self" | "members">;
  readonly peers: Pick<Peers, "handle" | "request">;
  readonly clock: Clock;
  readonly status: () => Pick<ConsensusStatus, "members" | "last">;
  /** Writes the first configuration. */
  readonly found: () => void;
  /** Where the promise is kept. */
  readonly file: string;
  readonly note: (text: string) => void;
}

export class Bootstrap {
  #promised: NodeId | null;
  #timer: Timer | undefined;
  #tries = 0;
  #stopped = false;

  constructor(private readonly options: BootstrapOptions) {
    this.#promised = readPromise(options.file);
    options.peers.handle(method, (_body, { from }) => Promise.resolve(encodeUtf8(this.#answer(from))));
    if (options.expect !== null) this.#wait();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #wait(): void {
    if (this.#stopped || !this.#isFresh()) return;
    this.#timer = this.options.clock.after(try_ms, () => {
      void this.#try().finally(() => this.#wait());
    });
  }

  async #try(): Promise<void> {
    const { membership, found, note, expect } = this.options;
    const { self } = membership;
    const there = this.#there();
    const refusal = there.length >= (expect ?? 0) ? this.#answer(self) : "";
    if (refusal !== "" || there.length < (expect ?? 0)) {
      if (this.#tries++ % triesBetweenNotes === 0)
        note(`Waits for ${expect} nodes before the cluster begins: ${there.length} are here`);
      return;
    }
    const others = there.filter((id) => id !== self);
    const answers = await Promise.all(others.map((id) => this.#ask(id)));
    const refused = answers.findIndex((answer) => answer !== "");
    if (refused >= 0) {
      if (this.#tries++ % triesBetweenNotes === 0)
        note(`Node ${others[refused]} does not agree that the cluster begins here: ${answers[refused]}`);
      return;
    }
    if (this.#stopped || !this.#isFresh()) return;
    note(`${there.length} nodes agree: this one begins the cluster`);
    found();
  }

  async #ask(node: NodeId): Promise<string> {
    try {
      const { peers } = this.options;
      return decodeUtf8(await peers.request(node, method, new Uint8Array(), { timeout_ms: answer_ms }));
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** Empty: promised. Otherwise why not. */
  #answer(from: NodeId): string {
    const { expect, file } = this.options;
    if (expect === null) return "it was not started with --bootstrap-expect";
    if (!this.#isFresh()) return "it knows of a cluster that has begun";
    if (this.#promised !== null)
      return this.#promised === from ? "" : `it has promised node ${this.#promised} already`;
    const there = this.#there();
    if (there.length < expect) return `it sees ${there.length} of ${expect} nodes`;
    if (there[0] !== from) return `node ${there[0]} has the lowest id`;
    replaceFile(file, `${from}\n`);
    this.#promised = from;
    return "";
  }

  /** No configuration was ever heard of here. */
  #isFresh(): boolean {
    const { members, last } = this.options.status();
    return members.length === 0 && last === 0;
  }

  /** Those who could vote and are alive, this node included, in the order of their ids. */
  #there(): NodeId[] {
    return this.options.membership
      .members()
      .filter((member: Member) => member.status === "alive" && member.tags.raft?.role === "voter")
      .map(({ id }) => id)
      .toSorted();
  }
}

function readPromise(file: string): NodeId | null {
  try {
    const text = readFileSync(file, "utf8").trim();
    return text === "" ? null : (text as NodeId);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
