/**
 * Where a message goes or comes from: `name`, `name@node`, `broadcast://group`, `capability://name`, and
 * `~client.tag@node` for those who are no agents, such as clients of the API. Grammar only: whether the
 * receiver exists is the router's to find out.
 */
import { unreachable } from "../base/assert.ts";
import { namePattern, nameRule, quote, type AgentName, type NodeId } from "../base/ids.ts";

export type Address =
  | { readonly kind: "agent"; readonly name: AgentName; readonly node: NodeId | null }
  /** `name` begins with `~`; answers go to the node that the client talks to. */
  | { readonly kind: "client"; readonly name: string; readonly node: NodeId }
  | { readonly kind: "broadcast"; readonly group: string }
  | { readonly kind: "capability"; readonly name: string }
  | { readonly kind: "invalid"; readonly reason: string };

/** After the `~`: as a name, but up to 128 characters. */
const clientPattern = /^~[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const broadcastScheme = "broadcast://";
const capabilityScheme = "capability://";

export function parseAddress(text: string): Address {
  if (text.startsWith(broadcastScheme)) {
    const group = text.slice(broadcastScheme.length);
    return namePattern.test(group) ? { kind: "broadcast", group } : invalid(text, "its group", nameRule);
  }
  if (text.startsWith(capabilityScheme)) {
    const name = text.slice(capabilityScheme.length);
    return namePattern.test(name) ? { kind: "capability", name } : invalid(text, "its capability", nameRule);
  }
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  const node = at < 0 ? null : text.slice(at + 1);
  if (node !== null && !namePattern.test(node)) return invalid(text, "its node", nameRule);
  if (name.startsWith("~")) {
    if (!clientPattern.test(name)) return invalid(text, "its client", "a name after '~'");
    if (node === null) return invalid(text, "its node", "there: a client is reached through one");
    return { kind: "client", name, node: node as NodeId };
  }
  if (!namePattern.test(name)) return invalid(text, at < 0 ? "it" : "its name", nameRule);
  return { kind: "agent", name: name as AgentName, node: node as NodeId | null };
}

/** The text that `parseAddress` reads back. */
export function formatAddress(address: Exclude<Address, { readonly kind: "invalid" }>): string {
  switch (address.kind) {
    case "agent":
      return address.node === null ? address.name : `${address.name}@${address.node}`;
    case "client":
      return `${address.name}@${address.node}`;
    case "broadcast":
      return `${broadcastScheme}${address.group}`;
    case "capability":
      return `${capabilityScheme}${address.name}`;
    default:
      return unreachable(address);
  }
}

/** Why a receiver of valid grammar can not be reached by the router yet; null when it can be tried. */
export function routingRefusal(receiver: string): string | null {
  const address = parseAddress(receiver);
  switch (address.kind) {
    case "agent":
    case "client":
      return null;
    case "broadcast":
      return `Receiver ${quote(receiver)} is a broadcast group, and groups are not routed yet; send to agents by name`;
    case "capability":
      return `Receiver ${quote(receiver)} is a capability, and capabilities are not routed yet; send to an agent by name`;
    case "invalid":
      return address.reason;
    default:
      return unreachable(address);
  }
}

/**
 * Whom an address stands for in a conversation: an agent wherever it runs, or a client whatever tag its
 * present request has (`~alice.3f2a@node-1` and `~alice.77c0@node-2` are both `~alice`).
 */
export function partyOf(address: string): string {
  const at = address.lastIndexOf("@");
  const name = at < 0 ? address : address.slice(0, at);
  if (!name.startsWith("~")) return name;
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name : name.slice(0, dot);
}

function invalid(text: string, part: string, rule: string): Address {
  return { kind: "invalid", reason: `Address ${quote(text)}: ${part} is not ${rule}` };
}
