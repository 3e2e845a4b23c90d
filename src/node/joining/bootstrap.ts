/**
 * `--bootstrap-expect N`: nodes that start with one cluster key and no cluster wait until N of them know each other,
 * and then exactly one begins. The one with the lowest id asks all others for their promise. A node has one promise to
 * give, durably; so of any sets of nodes that overlap one at most begins. A promise moves only to a lower id, and only
 * from one that will never begin: from oneself, which must hold it to begin, or from one that has so moved its own.
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
/** Whom a node has promised: an id, nothing for nobody yet, or `bystander`. */
const standingMethod = "cluster.bootstrap-standing";
/** Of one that was not told to wait and knows of no cluster: it promises and begins nothing. No id begins like this. */
const bystander = "-";
const try_ms = 500;
const answer_ms = 2_000;
/** Within the time for an answer, since one may have to be asked for the other. */
const standing_ms = 1_000;
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
  /** This node has begun the cluster: its own promise moves no more. */
  #begun = false;
  /** Those that are there and wait for nobody. */
  #bystanders: ReadonlySet<NodeId> = new Set();
  #timer: Timer | undefined;
  #tries = 0;
  #stopped = false;

  constructor(private readonly options: BootstrapOptions) {
    this.#promised = readPromise(options.file);
    options.peers.handle(method, async (_body, { from }) => encodeUtf8(await this.#answer(from)));
    options.peers.handle(standingMethod, () =>
      Promise.resolve(encodeUtf8(this.#isBystander ? bystander : (this.#promised ?? ""))),
    );
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
    await this.#findBystanders();
    const there = this.#there();
    const enough = there.length >= (expect ?? 0);
    if (!enough || (await this.#answer(self)) !== "") {
      this.#tellSometimes(`Waits for ${expect} nodes before the cluster begins: ${there.length} are here`);
      return;
    }
    const others = there.filter((id) => id !== self);
    const answers = await Promise.all(others.map((id) => this.#ask(id)));
    const refused = answers.findIndex((answer) => answer !== "");
    if (refused >= 0) {
      this.#tellSometimes(
        `Node ${others[refused]} does not agree that the cluster begins here: ${answers[refused]}`,
      );
      return;
    }
    // The own promise may have moved while the others were asked.
    if (this.#stopped || !this.#isFresh() || this.#promised !== self) return;
    note(`${there.join(", ")} agree: this node begins the cluster`);
    this.#begun = true;
    found();
  }

  #tellSometimes(text: string): void {
    if (this.#tries++ % triesBetweenNotes === 0) this.options.note(text);
  }

  async #ask(node: NodeId): Promise<string> {
    try {
      const { peers } = this.options;
      return decodeUtf8(await peers.request(node, method, new Uint8Array(), { timeout_ms: answer_ms }));
    } catch (error) {
      return reasonOf(error);
    }
  }

  /** Whom that node has promised; undefined where it cannot be asked. */
  async #standingOf(node: NodeId): Promise<string | undefined> {
    try {
      const { peers } = this.options;
      const options = { timeout_ms: standing_ms };
      return decodeUtf8(await peers.request(node, standingMethod, new Uint8Array(), options));
    } catch {
      return undefined;
    }
  }

  async #findBystanders(): Promise<void> {
    const { membership, expect } = this.options;
    const alive = this.#alive();
    if (alive.length < (expect ?? 0)) return;
    const others = alive.filter((id) => id !== membership.self);
    const standings = await Promise.all(others.map((id) => this.#standingOf(id)));
    this.#bystanders = new Set(others.filter((_, i) => standings[i] === bystander));
  }

  /** Empty: promised. Otherwise why not. */
  async #answer(from: NodeId): Promise<string> {
    const before = this.#promised;
    const refusal = this.#refusal(from);
    if (refusal !== "" || before === from) return refusal;
    if (before !== null && !(from < before && (await this.#isGivenUp(before))))
      return `it has promised node ${before} already`;
    // Meanwhile another may have asked, or the cluster begun.
    const later = this.#refusal(from);
    if (later !== "") return later;
    if (this.#promised !== before) return "it has just promised another node";
    replaceFile(this.options.file, `${from}\n`);
    this.#promised = from;
    return "";
  }

  #refusal(from: NodeId): string {
    const { expect } = this.options;
    if (this.#stopped) return "it is stopping";
    if (this.#begun || !this.#isFresh()) return "it knows of a cluster that has begun";
    if (expect === null) return "it was not started with --bootstrap-expect";
    if (this.#promised === from) return "";
    const there = this.#there();
    if (there.length < expect) return `it sees ${there.length} of ${expect} nodes`;
    return there[0] === from ? "" : `node ${there[0]} has the lowest id`;
  }

  /** Whether the one that was promised will never begin: it needs its own promise, which never comes back to it. */
  async #isGivenUp(promised: NodeId): Promise<boolean> {
    if (promised === this.options.membership.self) return true;
    const standing = await this.#standingOf(promised);
    return standing !== undefined && standing !== "" && standing !== bystander && standing !== promised;
  }

  get #isBystander(): boolean {
    return this.options.expect === null && this.#isFresh();
  }

  /** No configuration was ever heard of here. */
  #isFresh(): boolean {
    const { members, last } = this.options.status();
    return members.length === 0 && last === 0;
  }

  /** Those who wait as this node does, itself included, in the order of their ids. */
  #there(): NodeId[] {
    return this.#alive().filter((id) => !this.#bystanders.has(id));
  }

  /** Those who could vote and are alive, this node included, in the order of their ids. */
  #alive(): NodeId[] {
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
