/** A node's id when nobody gave one: the host's name, made to fit the alphabet of names. */
import { hostname } from "node:os";
import { parseNodeId, type NodeId } from "../../base/ids.ts";

export function defaultNodeId(host = hostname()): NodeId {
  const fitting = host
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 64);
  return parseNodeId(fitting === "" ? "node-1" : fitting);
}
