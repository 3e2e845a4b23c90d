/** Who is told of as refused, or of one name with another: once a source and minute. */
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { GossipReport } from "./reports.ts";
import { OncePerMinute } from "./statistics.ts";

/** What packets that were dropped for this reason say of their sender's configuration. */
const strangersPackets: Readonly<Record<string, string>> = {
  unknown_key: "its gossip packets are sealed with another cluster key",
  bad_seal: "its gossip packets are of another cluster's name or UUID, or damaged",
  version: "its gossip protocol has another version",
  future_boot: "its gossip packets are of a start in the future: set its clock",
};

export class GossipRefusals {
  readonly #told = new OncePerMinute();

  constructor(
    private readonly report: (report: GossipReport) => void,
    private readonly now: () => number,
  ) {}

  /** Only what hints at a wrong configuration; replays and damage are counted alone. */
  dropped(address: Address, reason: string): void {
    const text = strangersPackets[reason];
    if (text !== undefined) this.refused(address.host, text);
  }

  /** `elsewhere`: this node looked for the source, which is of another cluster. */
  refused(source: string, reason: string, elsewhere = false): void {
    if (this.#told.allows(source, this.now())) this.report({ kind: "refused", source, reason, elsewhere });
  }

  conflict(node: NodeId, source: NodeId, reason: string): void {
    if (this.#told.allows(`conflict ${node}`, this.now()))
      this.report({ kind: "conflict", node, source, reason });
  }
}
