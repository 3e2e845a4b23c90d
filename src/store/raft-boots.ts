/**
 * Whose log this is and how often it was opened; and the highest boot epoch that was heard of each participant. A
 * participant tells in which boot its log was last opened before this one: if others heard of a later one, then
 * its disk was taken back to an earlier day, and it may not vote with it.
 */
import { CaxtonError } from "../base/errors.ts";
import { type NodeId, quote } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { type RaftId, raftIdOf } from "../raft/configuration.ts";

export interface RaftLogOwner {
  readonly node: NodeId;
  /** The boot epoch of this process. */
  readonly boot: number;
  /** Of a new log: above that of any log of this node before it. The boot epoch unless given. */
  readonly identity?: number;
}

export class RaftBoots {
  readonly self: RaftId;
  readonly boot: number;
  /** The boot in which this log was opened before this one; 0 for a new log. */
  readonly previous: number;
  readonly #seen = new Map<RaftId, number>();

  /** Throws `conflict` for the log of another node. */
  constructor(
    readonly database: Database,
    name: string,
    owner: RaftLogOwner,
  ) {
    const row = database.prepare("SELECT node, identity, boot FROM raft_identity").get();
    if (row !== undefined && row["node"] !== owner.node) {
      throw new CaxtonError(
        "conflict",
        `Raft log ${quote(name)} belongs to node ${quote(String(row["node"]))}, not to ${quote(owner.node)}: ` +
          "restore this node's own data directory",
      );
    }
    const identity = Number(row?.["identity"] ?? owner.identity ?? owner.boot);
    this.self = raftIdOf(owner.node, identity);
    this.boot = owner.boot;
    this.previous = Number(row?.["boot"] ?? 0);
    for (const { participant, boot } of database.prepare("SELECT participant, boot FROM raft_seen").all())
      this.#seen.set(String(participant) as RaftId, Number(boot));
    if (this.previous === owner.boot) return;
    database.transaction(() =>
      database
        .prepare(
          `INSERT INTO raft_identity (only, node, identity, boot) VALUES (1, ?, ?, ?)
           ON CONFLICT (only) DO UPDATE SET boot = excluded.boot`,
        )
        .run(owner.node, identity, owner.boot),
    );
  }

  seen(participant: RaftId): number {
    return this.#seen.get(participant) ?? 0;
  }

  /** Durable when it returns. */
  see(participant: RaftId, boot: number): void {
    if (boot <= this.seen(participant)) return;
    this.database.transaction(() =>
      this.database
        .prepare(
          `INSERT INTO raft_seen (participant, boot) VALUES (?, ?)
           ON CONFLICT (participant) DO UPDATE SET boot = excluded.boot`,
        )
        .run(participant, boot),
    );
    this.#seen.set(participant, boot);
  }

  /** Forgets everyone but these, so that the table stays small. */
  keepOnly(participants: readonly RaftId[]): void {
    const gone = [...this.#seen.keys()].filter((id) => !participants.includes(id));
    if (gone.length === 0) return;
    this.database.transaction(() => {
      for (const id of gone) this.database.prepare("DELETE FROM raft_seen WHERE participant = ?").run(id);
    }, "relaxed");
    for (const id of gone) this.#seen.delete(id);
  }
}
