/**
 * A node's data directory: made private, held by one process at a time, and knowing whose it is
 * (node id, cluster, boot epoch). What the other files in it mean is their owners' business.
 *
 * The lock is a lock of the operating system on `lock.db`, taken by the database engine, so that it
 * ends with its process however that dies, and no process id is ever trusted. Nothing else may open
 * that file: a POSIX lock goes when its process closes the file anywhere.
 */
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CaxtonError } from "../../base/errors.ts";
import { type NodeId, quote } from "../../base/ids.ts";
import { connectLibsql, makePrivate } from "../../platform/node/libsql-connection.ts";
import { logger } from "../../telemetry/log.ts";
import type { Database } from "../../ports/database.ts";
import { directoryFailure, type Identity, identityFile, readIdentity } from "./data-identity.ts";
import { replaceFile } from "../../platform/node/replace-file.ts";

export interface DataDirectoryOptions {
  /** As the user asked for it; undefined takes what the directory has. */
  readonly nodeId: NodeId | undefined;
  readonly cluster: string | undefined;
  /** For a directory that is new. */
  readonly initial: { readonly nodeId: NodeId; readonly cluster: string };
  readonly wall_ms: number;
}

export interface DataDirectory {
  /** Absolute. */
  readonly path: string;
  readonly nodeId: NodeId;
  readonly cluster: string;
  /** The cluster's UUID, once this node has begun or joined one. */
  readonly clusterUuid: string | null;
  /**
   * Higher than at any earlier start of this directory, whatever the clock does; not below the wall
   * clock in ms, so that a directory restored from a copy does not repeat an epoch (and its keys).
   */
  readonly bootEpoch: number;
  /** Starts of this directory, this one included. */
  readonly boots: number;
  readonly isNew: boolean;
  /** See `Identity`. */
  readonly founding: boolean | null;
  /** Where the file or folder `name` of this directory is. */
  file(name: string): string;
  /**
   * Remembers the cluster for ever, and whether this node begins it. Throws `wrong_cluster` when the directory
   * belongs to another one.
   */
  adoptCluster(uuid: string, founding?: boolean): void;
  /** The Raft log has its first configuration, or gets it from others: this node never writes one again. */
  settleFounding(): void;
  /** Lets another process have it. Harmless twice. */
  close(): void;
}

const holderFile = "holder.json";
const lockFile = "lock.db";

/**
 * Throws `data_locked` while another process has it, `conflict` and `wrong_cluster` when it belongs to
 * another node or cluster than asked for, `version_mismatch`, `data_corrupt`, `disk_full`, `storage_failed`.
 */
export function openDataDirectory(path: string, options: DataDirectoryOptions): DataDirectory {
  const directory = resolve(path);
  makeDirectory(directory, path);
  const lock = takeLock(directory, path);
  try {
    const before = readIdentity(path);
    const identity = nextIdentity(before, path, options);
    writeFile(directory, path, identityFile, identity);
    writeFile(directory, path, holderFile, { pid: process.pid, node: identity.node });
    return new HeldDirectory(directory, path, identity, before === undefined, lock);
  } catch (thrown) {
    lock.close();
    throw thrown;
  }
}

class HeldDirectory implements DataDirectory {
  readonly #given: string;
  #identity: Identity;
  /** Kept for its lock: it must live as long as the node does. */
  readonly #lock: Database;
  #open = true;

  constructor(
    readonly path: string,
    given: string,
    identity: Identity,
    readonly isNew: boolean,
    lock: Database,
  ) {
    this.#given = given;
    this.#identity = identity;
    this.#lock = lock;
  }

  get nodeId(): NodeId {
    return this.#identity.node;
  }

  get cluster(): string {
    return this.#identity.cluster;
  }

  get clusterUuid(): string | null {
    return this.#identity.uuid;
  }

  get bootEpoch(): number {
    return this.#identity.bootEpoch;
  }

  get boots(): number {
    return this.#identity.boots;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  get founding(): boolean | null {
    return this.#identity.founding;
  }

  adoptCluster(uuid: string, founding = false): void {
    const held = this.#identity.uuid;
    if (held === uuid) return;
    if (held !== null) {
      throw new CaxtonError(
        "wrong_cluster",
        `Data directory ${quote(this.#given)} belongs to cluster ${held}, not to ${uuid}: ` +
          "start with an empty directory to join another cluster",
      );
    }
    this.#write({ ...this.#identity, uuid, founding });
  }

  settleFounding(): void {
    if (this.#identity.founding !== false) this.#write({ ...this.#identity, founding: false });
  }

  #write(identity: Identity): void {
    writeFile(this.path, this.#given, identityFile, identity);
    this.#identity = identity;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    rmSync(this.file(holderFile), { force: true });
    this.#lock.close();
  }
}

function makeDirectory(directory: string, given: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = statSync(directory);
    if (!found.isDirectory()) throw new Error("it is a file");
    // Told and not refused: volumes of containers come so.
    if ((found.mode & 0o002) !== 0) {
      const danger = "any user of this machine can replace this node's keys: chmod 700 it";
      logger("node").warn(`Data directory ${quote(given)} can be written by everybody, so ${danger}`);
    }
  } catch (thrown) {
    throw directoryFailure(given, "cannot be made", thrown);
  }
}

function takeLock(directory: string, given: string): Database {
  let lock: Database;
  try {
    makePrivate(join(directory, lockFile));
    lock = connectLibsql(join(directory, lockFile), join(given, lockFile), 0);
  } catch (thrown) {
    throw directoryFailure(given, "cannot be written", thrown);
  }
  try {
    lock.execute("BEGIN IMMEDIATE");
    return lock;
  } catch (thrown) {
    lock.close();
    if (!(thrown instanceof CaxtonError) || thrown.code !== "data_locked")
      throw directoryFailure(given, "cannot be locked", thrown);
    throw new CaxtonError(
      "data_locked",
      `Data directory ${quote(given)} is in use by ${holderOf(directory)}`,
    );
  }
}

/** Only for people: the lock itself needs no names. */
function holderOf(directory: string): string {
  try {
    const holder: unknown = JSON.parse(readFileSync(join(directory, holderFile), "utf8"));
    if (typeof holder === "object" && holder !== null && "pid" in holder && "node" in holder) {
      return `process ${String(holder.pid)} (node ${quote(String(holder.node))})`;
    }
  } catch {
    // It holds the lock and has not written the file yet.
  }
  return "another process";
}

function nextIdentity(before: Identity | undefined, given: string, options: DataDirectoryOptions): Identity {
  const wall_ms = Math.max(0, Math.floor(options.wall_ms));
  if (before === undefined) {
    const node = options.nodeId ?? options.initial.nodeId;
    const cluster = options.cluster ?? options.initial.cluster;
    return {
      format: 1,
      node,
      cluster,
      uuid: null,
      bootEpoch: Math.max(1, wall_ms),
      boots: 1,
      founding: false,
    };
  }
  if (options.nodeId !== undefined && options.nodeId !== before.node) {
    throw new CaxtonError(
      "conflict",
      `Data directory ${quote(given)} belongs to node ${quote(before.node)}, not to ${quote(options.nodeId)}: ` +
        "leave --node-id out, or name another --data-dir for the new node",
    );
  }
  if (options.cluster !== undefined && options.cluster !== before.cluster) {
    throw new CaxtonError(
      "wrong_cluster",
      `Data directory ${quote(given)} belongs to cluster ${quote(before.cluster)}, not to ${quote(options.cluster)}: ` +
        "leave --cluster out, or name another --data-dir",
    );
  }
  return { ...before, bootEpoch: Math.max(before.bootEpoch + 1, wall_ms), boots: before.boots + 1 };
}

function writeFile(directory: string, given: string, name: string, value: unknown): void {
  try {
    replaceFile(join(directory, name), `${JSON.stringify(value, null, 2)}\n`);
  } catch (thrown) {
    throw directoryFailure(given, "cannot be written", thrown);
  }
}
