/**
 * The one of two nodes of a name that may speak: a member that is there keeps its name, whoever else answers elsewhere under
 * it (a copy of its data directory, or an old image of its machine), however late that one began.
 */
import { type NodeId, quote } from "../base/ids.ts";
import { type Address, formatAddress } from "../ports/datagrams.ts";
import { sameAddress } from "../wire/gossip-values.ts";
import type { Membership } from "./membership.ts";

/**
 * Why whoever answers at `address`, in another life than the member's, is not spoken to. Null when it may be the member. One of
 * this node's own name says itself which of the two has it (`gossip/admission.ts`).
 */
export function nameTaken(
  membership: Pick<Membership, "member" | "self">,
  node: NodeId,
  bootEpoch: number,
  address: Address,
): string | null {
  const known = node === membership.self ? undefined : membership.member(node);
  if (known === undefined || (known.status !== "alive" && known.status !== "suspect")) return null;
  if (known.bootEpoch === bootEpoch || sameAddress(known.address, address)) return null;
  return `node id ${quote(node)} is in use by a live node at ${formatAddress(known.address)}`;
}
