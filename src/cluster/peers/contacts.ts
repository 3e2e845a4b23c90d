/** Connections to addresses whose node is not known: first contacts, and the one to itself that warms the runtime up. */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { type Address, formatAddress } from "../../ports/datagrams.ts";
import type { PeerNetworkCore } from "./core.ts";
import { PeerOutbound } from "./outbound.ts";

export const contactMethod = "contact";

/** Why whoever answers at an address is not spoken to, before anything is said to it; null when it is. */
export type ContactRefusal = (node: NodeId, bootEpoch: number, address: Address) => string | null;

export class FirstContacts {
  /** Those under way. */
  readonly links = new Set<PeerOutbound>();
  refusal: ContactRefusal = () => null;
  #open = true;

  constructor(private readonly core: PeerNetworkCore) {}

  /** Throws `CaxtonError`: what connecting throws, what the other node answers, and `conflict` where it is not spoken to. */
  async contact(
    address: Address,
    hello: Uint8Array,
    timeout_ms: number,
  ): Promise<{ from: NodeId; reply: Uint8Array }> {
    if (!this.#open)
      throw new CaxtonError("unreachable", `Cannot contact ${formatAddress(address)}: shutting down`);
    let from: NodeId | undefined;
    const link = this.#dial(address, { up: (peer) => void (from = peer), down: () => {} });
    try {
      const reply = await link.calls.call(contactMethod, hello, timeout_ms);
      if (from === undefined) throw new CaxtonError("internal", "A reply came before the greeting");
      return { from, reply };
    } finally {
      this.#end(link, "contact made");
    }
  }

  /** Dials this node itself, at `local`, once. Resolves also when nothing came of it. */
  async rehearse({ host, port }: Address): Promise<void> {
    const loopback = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
    const over = Promise.withResolvers<void>();
    const ended = (): void => over.resolve();
    const link = this.#dial({ host: loopback, port }, { up: ended, down: ended });
    const deadline = this.core.clock.after(this.core.timings.connect_ms, ended);
    link.keep(true);
    await over.promise;
    deadline.cancel();
    this.#end(link, "rehearsed");
  }

  close(reason: string): void {
    this.#open = false;
    for (const link of this.links) link.close(reason, true);
  }

  #dial(address: Address, events: { up(peer: NodeId): void; down(): void }): PeerOutbound {
    const refusal = (node: NodeId, bootEpoch: number): string | null =>
      this.refusal(node, bootEpoch, address);
    const link = new PeerOutbound(this.core, address, "contact", undefined, { ...events, refusal });
    this.links.add(link);
    return link;
  }

  #end(link: PeerOutbound, reason: string): void {
    this.links.delete(link);
    link.close(reason, true);
  }
}
