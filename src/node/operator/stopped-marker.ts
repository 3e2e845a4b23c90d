/**
 * The file that says that this node is stopped by an operator, and whom to tell when all are started again. While it is
 * there a start of the process opens no database.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import * as v from "valibot";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import { replaceFile } from "../../platform/node/replace-file.ts";
import type { Address } from "../../ports/datagrams.ts";

export interface StoppedPeer {
  readonly node: NodeId;
  readonly address: Address;
}

const peers_max = 10_000;
const schema = v.strictObject({
  peers: v.pipe(
    v.array(
      v.strictObject({
        node: v.pipe(
          v.string(),
          v.regex(namePattern),
          v.transform((text) => text as NodeId),
        ),
        address: v.strictObject({
          host: v.pipe(v.string(), v.maxLength(64)),
          port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
        }),
      }),
    ),
    v.maxLength(peers_max),
  ),
});

export function isStopped(path: string): boolean {
  return existsSync(path);
}

/** Durable when it returns. */
export function writeStopped(path: string, peers: readonly StoppedPeer[]): void {
  replaceFile(path, `${JSON.stringify({ peers }, null, 2)}\n`);
}

/** Throws `data_corrupt` for a file that says something else. */
export function readStopped(path: string): readonly StoppedPeer[] {
  try {
    return v.parse(schema, JSON.parse(readFileSync(path, "utf8"))).peers;
  } catch (error) {
    throw new CaxtonError(
      "data_corrupt",
      `Cannot read ${JSON.stringify(path)}, which says that this node is stopped: ${reasonOf(error)}. ` +
        "Remove it to have the node start",
      { cause: error },
    );
  }
}

export function removeStopped(path: string): void {
  rmSync(path, { force: true });
}
