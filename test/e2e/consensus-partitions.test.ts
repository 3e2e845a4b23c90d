/**
 * Three machines (network namespaces) that lose each other's packets by firewall rules on their way in, as a broken
 * network does, while clients on each of them write: the majority serves, and the history is one. Needs root,
 * iproute2 and nftables; says so when it cannot run.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { assertLinearizable, HistoryClients, type LeaderView } from "../support/consensus-nodes.ts";
import { canMakeNamespaces, Machines } from "../support/namespaces.ts";
import { eventually } from "../support/node-process.ts";

const root = new URL("../../", import.meta.url).pathname;
const cli = join(root, "src/cli/main.ts");
const possible = canMakeNamespaces() && spawnSync("nft", ["--version"]).status === 0;
if (!possible) console.warn("consensus-partitions.test.ts is not run: it needs root, iproute2 and nftables");

class MachineNode {
  readonly id: string;
  readonly dataDir: string;
  #process: ChildProcess | undefined;
  #output = "";

  constructor(
    readonly machines: Machines,
    readonly index: number,
  ) {
    this.id = `node-${index + 1}`;
    this.dataDir = mkdtempSync(join(tmpdir(), `caxton-cut-${this.id}-`));
  }

  get host(): string {
    return this.machines.machines[this.index]?.address ?? "";
  }

  launch(seed: MachineNode | undefined): void {
    const args = ["server", "start", "--node-id", this.id, "--data-dir", this.dataDir];
    args.push("--bind-addr", `${this.host}:7946`);
    if (seed !== undefined)
      args.push("--join", `${seed.host}:7946`, "--cluster-key-file", join(seed.dataDir, "cluster.key"));
    const [program, ...rest] = this.machines.on(this.index, [process.execPath, cli, ...args]);
    const child = spawn(program ?? "", rest, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    this.#process = child;
  }

  get output(): string {
    return this.#output;
  }

  async view(): Promise<LeaderView | undefined> {
    const [program, ...rest] = this.machines.on(this.index, [
      process.execPath,
      cli,
      "cluster",
      "leader",
      "--format",
      "json",
      "--data-dir",
      this.dataDir,
    ]);
    const child = spawn(program ?? "", rest, { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    return code === 0 ? (JSON.parse(text) as LeaderView) : undefined;
  }

  /** What comes from that machine is lost from now on. */
  deafTo(other: MachineNode): void {
    this.#nft("add", "table", "inet", "cut");
    this.#nft("add", "chain", "inet", "cut", "in", "{ type filter hook input priority 0; }");
    this.#nft("add", "rule", "inet", "cut", "in", "ip", "saddr", other.host, "drop");
  }

  hearAll(): void {
    this.#nft("flush", "ruleset");
  }

  async dispose(): Promise<void> {
    const child = this.#process;
    if (child?.pid !== undefined && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once("close", resolve));
      process.kill(-child.pid, "SIGKILL");
      await ended;
    }
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #nft(...args: readonly string[]): void {
    const [program, ...rest] = this.machines.on(this.index, ["nft", ...args]);
    const { status, stderr } = spawnSync(program ?? "", rest);
    if (status !== 0) throw new Error(`nft ${args.join(" ")}: ${stderr.toString().trim()}`);
  }
}

function cut(a: MachineNode, b: MachineNode): void {
  a.deafTo(b);
  b.deafTo(a);
}

describe.skipIf(!possible)("three machines", () => {
  let machines: Machines;
  let nodes: MachineNode[] = [];
  let clients = new HistoryClients();

  beforeAll(async () => {
    machines = new Machines(3);
    nodes = [0, 1, 2].map((index) => new MachineNode(machines, index));
    const [first] = nodes as [MachineNode];
    first.launch(undefined);
    await eventually("the first leads", async () =>
      (await first.view())?.quorum === true ? true : undefined,
    );
    for (const node of nodes.slice(1)) node.launch(first);
    await allVote();
  });

  afterEach(async () => {
    await clients.end();
    clients = new HistoryClients();
  });

  afterAll(async () => {
    for (const node of nodes) await node.dispose();
    machines?.dispose();
  });

  async function allVote(): Promise<void> {
    for (const node of nodes) {
      await eventually(`${node.id} sees three voters`, async () => {
        const view = await node.view();
        const voters = view?.members.filter(({ role }) => role === "voter").length;
        return view?.quorum === true && voters === 3 ? true : undefined;
      });
    }
  }

  async function leader(among: readonly MachineNode[] = nodes): Promise<MachineNode> {
    return await eventually("a leader", async () => {
      for (const node of among) {
        const view = await node.view();
        const found = among.find(({ id }) => id === view?.leader);
        if (view?.quorum === true && found !== undefined) return found;
      }
      return undefined;
    });
  }

  function startClients(key: string): void {
    for (const node of nodes) {
      clients.start(
        { id: node.id, api: "http://127.0.0.1:8080", tokenFile: join(node.dataDir, "admin.token") },
        2,
        [`${key}-1`, `${key}-2`],
        (args) => machines.on(node.index, args),
      );
    }
  }

  async function through(
    key: string,
    break_: (led: MachineNode, others: MachineNode[]) => void,
    during: (led: MachineNode, others: MachineNode[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    startClients(key);
    await clients.more(40);
    const led = await leader();
    const others = nodes.filter((node) => node !== led);
    break_(led, others);
    try {
      await clients.more(80);
      await during(led, others);
    } finally {
      for (const node of nodes) node.hearAll();
    }
    await allVote();
    await clients.more(30);
    assertLinearizable(await clients.end());
  }

  test("the leader cut off from both others, both ways", async () => {
    await through("both", (led, others) => {
      for (const other of others) cut(led, other);
    });
  });

  test("the leader hears nobody, and is heard", async () => {
    await through("deaf", (led, others) => {
      for (const other of others) led.deafTo(other);
    });
  });

  test("nobody hears the leader, and it hears them", async () => {
    await through("mute", (led, others) => {
      for (const other of others) other.deafTo(led);
    });
  });

  test("the leader and one other lost each other, and both reach the third: service goes on, and leadership settles", async () => {
    await through(
      "partial",
      (led, others) => cut(led, others[0] as MachineNode),
      async (_led, others) => {
        const middle = others[1] as MachineNode;
        const term = (await middle.view())?.term;
        await clients.more(300);
        expect((await middle.view())?.term).toBe(term);
      },
    );
  });
});
