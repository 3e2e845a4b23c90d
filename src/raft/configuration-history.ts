/**
 * The configurations in the log, each from the moment its entry is appended until it is taken back; the first is the
 * one that counts at the base.
 */
import {
  assertAscending,
  type Configuration,
  type ConfigurationAt,
  configurationAt,
  noConfiguration,
  type RaftId,
  roleIn,
} from "./configuration.ts";
import { Quorum } from "./quorum.ts";

export class ConfigurationHistory {
  #all: ConfigurationAt[];
  #quorum: Quorum;

  constructor(all: readonly ConfigurationAt[]) {
    assertAscending(all);
    this.#all = [...all];
    this.#quorum = new Quorum(this.current);
  }

  get current(): Configuration {
    return this.#all.at(-1)?.configuration ?? noConfiguration;
  }

  /** Of the entry that holds the current one; 0 before the first. */
  get index(): number {
    return this.#all.at(-1)?.index ?? 0;
  }

  get quorum(): Quorum {
    return this.#quorum;
  }

  at(index: number): Configuration {
    return configurationAt(this.#all, index);
  }

  /** How many of them are in entries above `index`. */
  countAbove(index: number): number {
    return this.#all.filter(({ index: at }) => at > index).length;
  }

  roleOf(id: RaftId): ReturnType<typeof roleIn> {
    return roleIn(this.current, id);
  }

  add(at: ConfigurationAt): void {
    this.#all.push(at);
    assertAscending(this.#all.slice(-2));
    this.#quorum = new Quorum(this.current);
  }

  truncate(from: number): void {
    if (this.index < from) return;
    this.#all = this.#all.filter(({ index }) => index < from);
    this.#quorum = new Quorum(this.current);
  }

  /** Forgets those before the one that counts at `index`. */
  compact(index: number): void {
    while ((this.#all[1]?.index ?? Infinity) <= index) this.#all.shift();
  }

  reset(at: ConfigurationAt): void {
    this.#all = [at];
    this.#quorum = new Quorum(this.current);
  }
}
