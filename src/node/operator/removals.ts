/**
 * Which lives of nodes operators have removed, as the log has it: what each node's membership believes, since the word of
 * a member alone is no proof. A removal is written there before anybody is told. Settings of the cluster, so that
 * who was away finds them; of the oldest the others' tables tell.
 */
import { reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

const prefix = "operator.removed.";
/** Settings change with every assignment: they are read once for all changes of so long. */
const gather_ms = 100;
/** Who keeps no log itself (a witness) asks for another's; and who could not read tries again. */
const ask_ms = 5_000;
/** Removals that are kept; settings have other uses, too. */
const keptLimit = 100;

export interface RemovalsOptions {
  readonly store: Pick<SettingStore, "put" | "delete" | "list">;
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly membership: Pick<Membership, "removals">;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

interface Removal {
  readonly node: NodeId;
  readonly boot: number;
  readonly version: number;
}

export class Removals {
  readonly #options: RemovalsOptions;
  readonly #unsubscribe: () => void;
  #watched = -1;
  #told = "";
  #reading: Timer | undefined;
  #asking: Timer | undefined;
  #closed = false;

  constructor(options: RemovalsOptions) {
    this.#options = options;
    this.#unsubscribe = options.consensus.onStatus(() => this.#follow());
    this.#follow();
    this.#askSoon();
  }

  /** This life of the node is over once this resolves, whatever becomes of those who know of it. Throws as the client. */
  async decide(node: NodeId, boot: number): Promise<void> {
    const { store } = this.#options;
    const kept = (await this.#list())
      .filter((one) => one.node !== node)
      .toSorted((a, b) => a.version - b.version);
    for (const oldest of kept.slice(0, Math.max(0, kept.length + 1 - keptLimit)))
      await store.delete(prefix + oldest.node);
    await store.put(prefix + node, String(boot));
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    this.#reading?.cancel();
    this.#asking?.cancel();
  }

  #follow(): void {
    const { consensus, clock } = this.#options;
    if (consensus.status().watched === this.#watched || this.#reading !== undefined || this.#closed) return;
    this.#reading = clock.after(gather_ms, () => {
      this.#reading = undefined;
      this.#watched = consensus.status().watched;
      this.#read().then(
        () => this.#follow(),
        (error: unknown) => {
          this.#options.failed("read which nodes were removed", reasonOf(error));
          // Read again at the next look.
          this.#watched = -1;
        },
      );
    });
  }

  #askSoon(): void {
    this.#asking = this.#options.clock.after(ask_ms, () => {
      const { standing, leader } = this.#options.consensus.status();
      // Without a leader nothing is removed; whoever has no log and knows none is in no cluster yet.
      if (leader !== null && standing !== "voter" && standing !== "learner") this.#watched = -1;
      this.#follow();
      if (!this.#closed) this.#askSoon();
    });
  }

  async #read(): Promise<void> {
    const removals = await this.#list();
    const told = removals.map(({ node, boot }) => `${node} ${boot}`).join();
    if (this.#closed || told === this.#told) return;
    this.#told = told;
    this.#options.membership.removals(removals.map(({ node, boot }) => ({ node, boot })));
  }

  async #list(): Promise<Removal[]> {
    const settings = await this.#options.store.list("local");
    return settings.flatMap(({ name, value, version }) => {
      const [node, boot] = [name.slice(prefix.length), Number(value)];
      const isRemoval = name.startsWith(prefix) && namePattern.test(node) && Number.isSafeInteger(boot);
      return isRemoval && boot >= 0 ? [{ node: node as NodeId, boot, version }] : [];
    });
  }
}
