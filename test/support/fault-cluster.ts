/**
 * Five real nodes on machines and disks of their own, and what can be done to each of them: killed, stopped, cut off
 * in every way, left without room, asked to leave. Needs root, iproute2, nftables and tmpfs.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeClusterKey } from "../../src/security/cluster-key.ts";
import { key_bytes } from "../../src/security/keyring.ts";
import type { Fault } from "./fault-schedule.ts";
import { cut, FirewalledNode } from "./firewalled-node.ts";
import { Machines } from "./namespaces.ts";
import { eventually } from "./node-process.ts";

/** Of each node, for its data and nothing else. */
const disk_mb = 192;
/** For a node that leaves to hand its agents over. */
const drain = "20s";

class FaultyNode extends FirewalledNode {
  constructor(machines: Machines, index: number) {
    super(machines, index);
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${disk_mb}m`, "tmpfs", this.dataDir]);
  }

  get #ballast(): string {
    return join(this.dataDir, "ballast");
  }

  fillDisk(): void {
    for (const size of [1_048_576, 4_096, 512]) {
      try {
        for (;;) appendFileSync(this.#ballast, new Uint8Array(size));
      } catch {
        // No room for another of this size.
      }
    }
  }

  makeRoom(): void {
    rmSync(this.#ballast, { force: true });
  }

  /** Its address answers, whatever it says. */
  async serves(): Promise<void> {
    await eventually(`${this.id} serves`, async () => {
      const { status, body } = await this.request("/readyz");
      if (status === 200) return true;
      throw new Error(`${status} ${body}\n${this.output.slice(-2_000)}`);
    });
  }

  override async dispose(): Promise<void> {
    this.makeRoom();
    await this.killed();
    spawnSync("umount", ["--lazy", this.dataDir]);
    await super.dispose();
  }
}

export class FaultCluster {
  readonly nodes: readonly FaultyNode[];
  readonly #machines: Machines;

  private constructor(machines: Machines, nodes: readonly FaultyNode[]) {
    this.#machines = machines;
    this.nodes = nodes;
  }

  static async start(count: number): Promise<FaultCluster> {
    const machines = new Machines(count);
    const nodes = Array.from({ length: count }, (_, index) => new FaultyNode(machines, index));
    const cluster = new FaultCluster(machines, nodes);
    try {
      await writeClusterKey(join(cluster.#node(0).dataDir, "cluster.key"), randomBytes(key_bytes));
      for (const index of nodes.keys()) cluster.#launch(index);
      await cluster.whole();
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
    return cluster;
  }

  /** Every node is ready, knows a leader, and that all are alive and vote. */
  async whole(): Promise<void> {
    for (const node of this.nodes) await node.serves();
    for (const node of this.nodes) {
      await node.until(Object.fromEntries(this.nodes.map(({ id }) => [id, "alive"])));
      await eventually(`${node.id} sees ${this.nodes.length} voters`, async () => {
        const view = await node.leaderView();
        const voters = view?.members.filter(({ role }) => role === "voter").length;
        if (view?.quorum === true && voters === this.nodes.length && !view.changing) return true;
        throw new Error(JSON.stringify(view));
      });
    }
  }

  /** Does it, and gives what ends it. */
  async begin({ kind, node: index, other: second }: Fault, agents: readonly string[]): Promise<() => void> {
    const node = this.#node(index);
    const other = this.#node(second);
    const rest = this.nodes.filter((each) => each !== node);
    switch (kind) {
      case "kill-process":
        process.kill(node.nodePid(), "SIGKILL");
        return () => undefined;
      case "kill-machine":
        await node.killed();
        return () => this.#launch(index);
      case "pause":
        node.signal("SIGSTOP");
        return () => node.signal("SIGCONT");
      case "stop":
        return await this.#ends(index, () => node.signal("SIGTERM"));
      case "leave":
        return await this.#ends(index, () => this.#post(index, "leave", { drain_timeout: drain }));
      case "full-disk":
        node.fillDisk();
        return () => node.makeRoom();
      case "transfer":
        await this.#post((index + 1) % this.nodes.length, "leader", { to: node.id });
        return () => undefined;
      case "migrate":
        for (const agent of agents) {
          const body = JSON.stringify({ to: node.id });
          const headers = { "content-type": "application/json" };
          await other.request(`/api/v1/agents/${agent}/migrate`, { method: "POST", headers, body });
        }
        return () => undefined;
      default:
        this.#cutOff(kind, node, other, rest);
        return () => this.nodes.forEach((each) => each.hearAll());
    }
  }

  #cutOff(
    kind: "cut-one" | "cut-two" | "deaf" | "mute" | "pair",
    node: FaultyNode,
    other: FaultyNode,
    rest: readonly FaultyNode[],
  ): void {
    const apart = rest.filter((each) => each !== other);
    if (kind === "pair") cut(node, other);
    if (kind === "cut-two") for (const each of apart) [node, other].forEach((one) => cut(one, each));
    if (kind === "cut-one") for (const each of rest) cut(node, each);
    if (kind === "deaf") for (const each of rest) node.deafTo(each);
    if (kind === "mute") for (const each of rest) each.deafTo(node);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
    this.#machines.dispose();
  }

  async #post(index: number, what: string, body: object): Promise<void> {
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    await this.#node(index).request(`/api/v1/cluster/${what}`, request);
  }

  /** Its processes end by themselves; started again once they have. */
  async #ends(index: number, how: () => Promise<void> | void): Promise<() => void> {
    await how();
    await this.#node(index).ended();
    return () => this.#launch(index);
  }

  #launch(index: number): void {
    const seed = this.#node(index === 0 ? 1 : 0);
    const key = join(this.#node(0).dataDir, "cluster.key");
    const flags = ["--bootstrap-expect", String(this.nodes.length)];
    this.#node(index).launchWith(["--join", seed.address, "--cluster-key-file", key, ...flags]);
  }

  #node(index: number): FaultyNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`There is no node ${index + 1}`);
    return node;
  }
}
