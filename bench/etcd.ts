/**
 * Three etcd servers beside ours, where etcd is installed, asked by the same client code: its own HTTP gateway, since
 * that is what a program without a gRPC library uses. Durable as by default.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/support/free-port.ts";
import { eventually } from "../test/support/node-process.ts";

export function hasEtcd(): boolean {
  return spawnSync("etcd", ["--version"]).status === 0;
}

interface Server {
  readonly name: string;
  readonly client: string;
  readonly args: readonly string[];
  process: ChildProcess | undefined;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

export class EtcdCluster {
  readonly #directory = mkdtempSync(join(tmpdir(), "caxton-bench-etcd-"));
  readonly #servers: Server[] = [];

  static async start(): Promise<EtcdCluster> {
    const cluster = new EtcdCluster();
    const ports: (readonly [number, number])[] = [];
    for (let i = 0; i < 3; i++) ports.push([await freePort(), await freePort()]);
    const peer = (i: number): string => `http://127.0.0.1:${ports[i]?.[1]}`;
    const all = ports.map((_, i) => `e${i}=${peer(i)}`).join(",");
    for (const [i, [client]] of ports.entries()) {
      const url = `http://127.0.0.1:${client}`;
      const args = ["--name", `e${i}`, "--data-dir", join(cluster.#directory, `e${i}`)];
      args.push("--listen-client-urls", url, "--advertise-client-urls", url);
      args.push("--listen-peer-urls", peer(i), "--initial-advertise-peer-urls", peer(i));
      args.push("--initial-cluster", all, "--heartbeat-interval", "50", "--election-timeout", "300");
      cluster.#servers.push({ name: `e${i}`, client: url, args, process: undefined });
    }
    for (const server of cluster.#servers) cluster.#launch(server);
    await eventually("etcd leads", async () =>
      (await cluster.put(cluster.#servers[0]?.client ?? "", "ready", "1")) ? true : undefined,
    );
    return cluster;
  }

  async put(url: string, key: string, value: string, timeout_ms = 10_000): Promise<boolean> {
    const body = JSON.stringify({ key: base64(key), value: base64(value) });
    const signal = AbortSignal.timeout(timeout_ms);
    const answer = await fetch(`${url}/v3/kv/put`, { method: "POST", body, signal });
    await answer.arrayBuffer();
    return answer.ok;
  }

  async get(url: string, key: string): Promise<boolean> {
    const answer = await fetch(`${url}/v3/kv/range`, {
      method: "POST",
      body: JSON.stringify({ key: base64(key) }),
    });
    await answer.arrayBuffer();
    return answer.ok;
  }

  /** Where the leader's clients connect, and the two others'. */
  async roles(): Promise<{ readonly leader: string; readonly others: readonly string[] }> {
    return await eventually("etcd's leader", async () => {
      for (const { client } of this.#servers) {
        const answer = await fetch(`${client}/v3/maintenance/status`, { method: "POST", body: "{}" });
        const { header, leader } = (await answer.json()) as {
          readonly header: { readonly member_id: string };
          readonly leader?: string;
        };
        if (leader === header.member_id)
          return {
            leader: client,
            others: this.#servers.map((s) => s.client).filter((url) => url !== client),
          };
      }
      return undefined;
    });
  }

  async kill(url: string): Promise<void> {
    const server = this.#servers.find(({ client }) => client === url);
    const child = server?.process;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  restart(url: string): void {
    const server = this.#servers.find(({ client }) => client === url);
    if (server) this.#launch(server);
  }

  async dispose(): Promise<void> {
    for (const { client, process: child } of this.#servers)
      if (child?.exitCode === null && child.signalCode === null) await this.kill(client);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #launch(server: Server): void {
    server.process = spawn("etcd", [...server.args], { stdio: "ignore" });
  }
}
