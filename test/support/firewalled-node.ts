/** A node on a machine whose firewall can lose what comes from others: cuts of one way, both ways, or of a pair. Needs nftables. */
import { spawnSync } from "node:child_process";
import type { LeaderView } from "./consensus-nodes.ts";
import { MachineNode } from "./machine-node.ts";

export function canFilter(): boolean {
  return spawnSync("nft", ["--version"]).status === 0;
}

export class FirewalledNode extends MachineNode {
  async leaderView(): Promise<LeaderView | undefined> {
    return await this.ask<LeaderView>("/api/v1/cluster/leader");
  }

  /** What comes from that machine is lost from now on. */
  deafTo(other: FirewalledNode): void {
    this.#nft("add", "table", "inet", "cut");
    this.#nft("add", "chain", "inet", "cut", "in", "{ type filter hook input priority 0; }");
    this.#nft("add", "rule", "inet", "cut", "in", "ip", "saddr", other.host, "drop");
  }

  hearAll(): void {
    this.#nft("flush", "ruleset");
  }

  #nft(...args: readonly string[]): void {
    const [program, ...rest] = this.command(["nft", ...args]);
    const { status, stderr } = spawnSync(program ?? "", rest);
    if (status !== 0) throw new Error(`nft ${args.join(" ")}: ${stderr.toString().trim()}`);
  }
}

/** Both ways. */
export function cut(a: FirewalledNode, b: FirewalledNode): void {
  a.deafTo(b);
  b.deafTo(a);
}
