/**
 * Whose log this is and how often it was opened; and the highest boot epoch that was heard of each participant. A
 * participant tells in which boot its log was last opened before this one: if others heard of a later one, then
 * its disk was taken back to an earlier day, and it may not vote with it.
 */
import { CaxtonError } from "../base/errors.ts";
import { type NodeId, quote } from "../base/ids.ts";
import type { Database } from "../ports/database.ts";
import { type RaftId, raftIdOf } from "../raft/configuration.ts";
import { checksumOfNamed, readNamed } from "./raft-log-rows.ts";

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
    const before = readIdentity(database);
    if (before !== undefined && before.node !== owner.node) {
      throw new CaxtonError(
        "conflict",
        `Raft log ${quote(name)} belongs to node ${quote(before.node)}, not to ${quote(owner.node)}: ` +
          "restore this node's own data directory",
      );
    }
    const identity = before?.identity ?? owner.identity ?? owner.boot;
    this.self = raftIdOf(owner.node, identity);
    this.boot = owner.boot;
    this.previous = before?.boot ?? 0;
    for (const [participant, boot] of readSeen(database)) this.#seen.set(participant, boot);
    if (this.previous === owner.boot) return;
    database.transaction(() =>
      database
        .prepare(
          `INSERT INTO raft_identity (only, node, identity, boot, checksum) VALUES (1, ?, ?, ?, ?)
           ON CONFLICT (only) DO UPDATE SET boot = excluded.boot, checksum = excluded.checksum`,
        )
        .run(owner.node, identity, owner.boot, checksumOfNamed(owner.node, identity, owner.boot)),
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
          `INSERT INTO raft_seen (participant, boot, checksum) VALUES (?, ?, ?)
           ON CONFLICT (participant) DO UPDATE SET boot = excluded.boot, checksum = excluded.checksum`,
        )
        .run(participant, boot, checksumOfNamed(participant, boot)),
    );
    this.#seen.set(participant, boot);
  }

  /** Forgets everyone but these, so that the table stays small. */
  keepOnly(participants: readonly RaftId[]): void {
    const gone = [...this.#seen.keys()].filter((id) => !participants.includes(id));
    if (gone.length === 0) return;
    this.database.transaction(() => {
      for (const id of gone) this.database.prepare("DELETE FROM raft_seen WHERE participant = ?").run(id);
    });
    for (const id of gone) this.#seen.delete(id);
  }
}

function readIdentity(
  database: Database,
): { readonly node: string; readonly identity: number; readonly boot: number } | undefined {
  const row = database.prepare("SELECT node, identity, boot, checksum FROM raft_identity").get();
  if (row === undefined) return undefined;
  const { name, numbers } = readNamed(row, "node", ["identity", "boot"], "whose log it is");
  const [identity = 0, boot = 0] = numbers;
  return { node: name, identity, boot };
}

function readSeen(database: Database): readonly (readonly [RaftId, number])[] {
  return database
    .prepare("SELECT participant, boot, checksum FROM raft_seen")
    .all()
    .map((row) => {
      const { name, numbers } = readNamed(row, "participant", ["boot"], "a boot that was heard of");
      return [name as RaftId, numbers[0] ?? 0] as const;
    });
}
