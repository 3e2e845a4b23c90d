/**
 * Notices that this node's store is an old copy: the cluster keeps, as a setting a node, which mark its store got last,
 * and the store has the mark itself. A store with an earlier one is older than what this node had. Where nobody else
 * keeps the cluster's state (a cluster of one that is restored as a whole), nobody can notice. What is to be done about
 * its agents is not said here.
 */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import { quote, type NodeId } from "../../base/ids.ts";
import { parsedJson } from "../../base/parsed-json.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../store/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";

const prefix = "store.mark.";
const metaKey = "store.mark";
/** Settings have other uses, too: beyond so many nodes the one that was marked longest ago is forgotten. */
export const storeMarksLimit = 500;

const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** Marks are Unix ms of this node, so they say roughly when a store had them, and rise. */
const settingSchema = v.strictObject({
  mark: number,
  /** The mark of the copy that came back last, 0: a new store did; null: none ever did. */
  since: v.nullable(number),
});
const markSchema = v.strictObject({
  mark: number,
  /** It was going to be told to the cluster, which may have it; 0: nothing is. */
  next: number,
});
type Mark = v.InferOutput<typeof markSchema>;

export interface OldStore {
  /** When it was as this copy has it, or a little after; 0: the store is new. */
  readonly since_ms: number;
  /** When the store that this node had last was marked. */
  readonly marked_ms: number;
}

export interface StoreAgeOptions {
  readonly self: NodeId;
  /** The boot epoch of this process. */
  readonly boot: number;
  readonly settings: Pick<SettingStore, "list" | "putAt" | "delete">;
  readonly store: Pick<Store, "getMeta" | "putMeta" | "stats">;
  readonly clock: Pick<Clock, "wall_ms">;
  /** The cluster's state is older than this store, which nothing is done about. */
  readonly clusterOlder: (detail: string) => void;
}

export class StoreAge {
  readonly #options: StoreAgeOptions;
  #mark: Mark | undefined;
  #commits = 0;

  constructor(options: StoreAgeOptions) {
    this.#options = options;
  }

  /**
   * Compares with what the cluster has, before anything in the store is gone on with. Null: it is what this node had
   * last, and that is written down anew. Throws as the control client, and what the store throws: then ask again.
   */
  async look(): Promise<OldStore | null> {
    const told = await this.#told();
    const mark = await this.#begin(this.#options.boot, told?.mark ?? 0);
    if (told !== null && told.mark > mark.mark && told.mark !== mark.next)
      return { since_ms: mark.mark, marked_ms: told.mark };
    if (told !== null && told.mark < mark.mark)
      this.#options.clusterOlder(
        `The cluster's state is older than this node's store: it knows the store of ${isoOf(told.mark)}, ` +
          `and this is that of ${isoOf(mark.mark)}`,
      );
    await this.#tell(mark, told, told?.since ?? null);
    return null;
  }

  /** What the old copy was to be gone on with is decided: from now on it is what this node has. Throws as `look`. */
  async accept({ since_ms, marked_ms }: OldStore): Promise<void> {
    const told = await this.#told();
    const isOpen = told?.mark === marked_ms;
    const mark = await this.#begin(this.#options.boot, told?.mark ?? 0, isOpen ? marked_ms : 0);
    if (told !== null && told.mark !== marked_ms && told.mark !== mark.next)
      throw new CaxtonError(
        "conflict",
        `Node ${quote(this.#options.self)} marked its store elsewhere meanwhile`,
      );
    await this.#tell(mark, told, since_ms);
  }

  /** Marks the store anew if anything was committed since. Throws as `look`, which may be passed over. */
  async renew(): Promise<void> {
    if (this.#mark === undefined) return;
    const { commits } = await this.#options.store.stats();
    if (commits === this.#commits) return;
    const told = await this.#told();
    if (told === null) return;
    const mark = await this.#begin(this.#options.clock.wall_ms(), told.mark);
    if (told.mark !== mark.mark && told.mark !== mark.next) return;
    await this.#tell(mark, told, told.since);
    this.#commits = commits;
  }

  /**
   * Durable before anybody is told, so that a crash in between is no older store. It rises above what was told, whatever
   * clocks do. One that was begun stays, unless it is not `above` that.
   */
  async #begin(at_ms: number, told: number, above = 0): Promise<Mark> {
    const { store } = this.#options;
    const known = (this.#mark ??= read(
      markSchema,
      decodeUtf8((await store.getMeta(metaKey)) ?? new Uint8Array()),
    ));
    if (known !== undefined && known.next > above) return known;
    const before = known?.mark ?? 0;
    const mark = { mark: before, next: Math.max(at_ms, before + 1, told + 1) };
    await store.putMeta(metaKey, encodeUtf8(JSON.stringify(mark)));
    this.#mark = mark;
    return mark;
  }

  async #told(): Promise<(v.InferOutput<typeof settingSchema> & { readonly version: number }) | null> {
    const { settings, self } = this.#options;
    const found = (await settings.list("linearizable")).find(({ name }) => name === prefix + self);
    if (found === undefined) return null;
    const told = read(settingSchema, found.value) ?? { mark: 0, since: null };
    return { ...told, version: found.version };
  }

  async #tell(
    { next }: Mark,
    told: { readonly mark: number; readonly version: number } | null,
    since: number | null,
  ): Promise<void> {
    const { settings, self, store } = this.#options;
    if (told === null) await this.#makeRoom();
    if (told?.mark !== next)
      await settings.putAt(prefix + self, JSON.stringify({ mark: next, since }), told?.version ?? 0);
    this.#mark = { mark: next, next: 0 };
    await store.putMeta(metaKey, encodeUtf8(JSON.stringify(this.#mark)));
  }

  /** Nodes come and go under ever new names, and nobody says of one that it will never be back. */
  async #makeRoom(): Promise<void> {
    const { settings } = this.#options;
    const marks = (await settings.list("linearizable"))
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, value }) => ({ name, mark: read(settingSchema, value)?.mark ?? 0 }))
      .toSorted((a, b) => a.mark - b.mark);
    for (const { name } of marks.slice(0, Math.max(0, marks.length - storeMarksLimit + 1)))
      await settings.delete(name);
  }
}

/** Since when what that node's agents did may be gone (0: ever), as this node's replica knows; null where its store is no old copy. */
export async function storeLostSince(
  settings: Pick<SettingStore, "list">,
  node: NodeId,
): Promise<number | null> {
  const found = (await settings.list("local")).find(({ name }) => name === prefix + node);
  return found === undefined ? null : (read(settingSchema, found.value)?.since ?? null);
}

function isoOf(at_ms: number): string {
  return new Date(at_ms).toISOString();
}

function read<S extends v.GenericSchema>(schema: S, text: string): v.InferOutput<S> | undefined {
  const found = v.safeParse(schema, parsedJson(text));
  return found.success ? found.output : undefined;
}
