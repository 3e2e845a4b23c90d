/** Whose a data directory is, as its `node.json` says. Read strictly: a wrong identity is worse than none. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CaxtonError, type ErrorCode, reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId, quote } from "../../base/ids.ts";

export const identityFile = "node.json";
const storeFile = "store.db";
/** The layout of the data directory that this program reads and writes. */
const format = 1;

export interface Identity {
  readonly format: typeof format;
  readonly node: NodeId;
  readonly cluster: string;
  readonly uuid: string | null;
  readonly bootEpoch: number;
  readonly boots: number;
  /** This node has begun its cluster, and its Raft log does not say so yet. Null of a directory older than consensus. */
  readonly founding: boolean | null;
}

/**
 * Of the directory as it was named; undefined of one that is new. Throws as `parseIdentity`, and `storage_failed` where the
 * file cannot be read.
 */
export function readIdentity(directory: string): Identity | undefined {
  const file = join(directory, identityFile);
  if (!existsSync(file)) {
    if (!existsSync(join(directory, storeFile))) return undefined;
    throw new CaxtonError(
      "data_corrupt",
      `Data directory ${quote(directory)} has a store but no ${identityFile}: restore it from a backup, or name another directory`,
    );
  }
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    throw directoryFailure(directory, `has a ${identityFile} that cannot be read`, thrown);
  }
  return parseIdentity(text, file);
}

/** What failed in a data directory, as it was named, told as `disk_full` or `storage_failed`. */
export function directoryFailure(directory: string, what: string, thrown: unknown): CaxtonError {
  const code: ErrorCode =
    thrown instanceof CaxtonError
      ? thrown.code
      : /ENOSPC|EDQUOT/.test(String(thrown))
        ? "disk_full"
        : "storage_failed";
  return new CaxtonError(code, `Data directory ${quote(directory)} ${what}: ${reasonOf(thrown)}`, {
    cause: thrown,
  });
}

/** Throws `version_mismatch` for a layout of a newer program and `data_corrupt` for anything else. */
function parseIdentity(text: string, file: string): Identity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw damaged(file, reasonOf(thrown));
  }
  if (typeof value !== "object" || value === null) throw damaged(file, "it is no object");
  const fields = value as Readonly<Record<string, unknown>>;
  if (typeof fields["format"] === "number" && fields["format"] > format) {
    throw new CaxtonError(
      "version_mismatch",
      `${quote(file)} has format ${fields["format"]}, this program knows up to ${format}: start it with the newer version of caxton`,
    );
  }
  const { node, cluster, uuid, bootEpoch, boots } = fields;
  if (fields["format"] !== format) throw damaged(file, "format is unknown");
  if (typeof node !== "string" || !namePattern.test(node)) throw damaged(file, "node is no node id");
  if (typeof cluster !== "string" || cluster === "") throw damaged(file, "cluster is no name");
  if (uuid !== null && (typeof uuid !== "string" || uuid === ""))
    throw damaged(file, "uuid is neither text nor null");
  if (!isCount(bootEpoch)) throw damaged(file, "bootEpoch is no whole number");
  if (!isCount(boots)) throw damaged(file, "boots is no whole number");
  const { founding = null } = fields;
  if (founding !== null && typeof founding !== "boolean")
    throw damaged(file, "founding is neither true nor false");
  return { format, node: node as NodeId, cluster, uuid, bootEpoch, boots, founding };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

function damaged(file: string, why: string): CaxtonError {
  return new CaxtonError(
    "data_corrupt",
    `${quote(file)} cannot be read (${why}): restore it from a backup, or name another --data-dir`,
  );
}
