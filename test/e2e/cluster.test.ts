/**
 * The main job on three real nodes of this machine, by the commands that an operator types: join,
 * deploy, talk across nodes, lose a node, get it back with its agents and its mail.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VerifyAuthAnswer } from "../../src/api/cluster/status.ts";
import { writeClusterKey } from "../../src/security/cluster-key.ts";
import { key_bytes } from "../../src/security/keyring.ts";
import { askAgent, deployAgent } from "../support/agent-requests.ts";
import { leaderView, untilVoters } from "../support/consensus-nodes.ts";
import { TestNodeProcess, eventually, type CommandResult } from "../support/node-process.ts";
import { thorough } from "../support/thorough.ts";

const modules = new URL("../../wasm-agents/", import.meta.url).pathname;
const echo = join(modules, "echo.wasm");
const counter = join(modules, "counter.wasm");

async function untilStatus(on: TestNodeProcess, id: string, status: string): Promise<void> {
  await eventually(`${on.id} shows ${id} ${status}`, async () =>
    (await on.statuses())[id] === status ? true : undefined,
  );
}

async function ok(result: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await result;
  expect(`${stderr}${code}`).toBe("0");
  return stdout;
}

/** Exit code and error of a command that was to fail. */
async function endOf(result: Promise<CommandResult>): Promise<string> {
  const { code, stderr } = await result;
  return `${code}: ${stderr}`;
}

const watching = new Set<ChildProcess>();

/** `caxton cluster watch` in the background; its lines so far. */
function watch(node: TestNodeProcess): { readonly lines: () => string; readonly stop: () => void } {
  const cli = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  const args = [cli, "cluster", "watch", "--data-dir", node.dataDir, "--api", node.api];
  // Its own pipes, and ended with the tests: left over, it would hold the output of the run open for ever.
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  watching.add(child);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { lines: () => text, stop: () => child.kill("SIGTERM") };
}

afterAll(() => {
  for (const child of watching) child.kill("SIGKILL");
});

/** One story: what it ends with is what the next one begins with. */
describe("three nodes on one machine", () => {
  const nodes: TestNodeProcess[] = [];
  let one: TestNodeProcess;
  let two: TestNodeProcess;
  let three: TestNodeProcess;

  beforeAll(async () => {
    one = await TestNodeProcess.start({ id: "node-1" });
    nodes.push(one);
    two = await TestNodeProcess.prepare({ id: "node-2", join: [one] });
    three = await TestNodeProcess.prepare({ id: "node-3", join: [one, two] });
    nodes.push(two, three);
    await Promise.all([two.start(), three.start()]);
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
  });

  test("all three are alive to each", async () => {
    for (const node of nodes) {
      await eventually(`three alive at ${node.id}`, async () => {
        const seen = Object.values(await node.statuses());
        return seen.length === 3 && seen.every((status) => status === "alive") ? true : undefined;
      });
    }
    const table = await ok(one.cli("cluster", "members"));
    expect(table.split("\n")[0]).toMatch(/^NODE-ID\s+STATUS\s+ADDRESS\s+AGENTS\s+CPU\s+MEMORY/);
    expect(await ok(one.cli("cluster", "status"))).toContain("Nodes: 3/3 active");
  });

  test("an agent on node 3 answers messages sent at every node", async () => {
    await ok(one.cli("deploy", echo, "--name", "echo", "--target-node", "node-3"));
    for (const node of nodes)
      expect(await askAgent(node, "echo", `hello from ${node.id}`)).toBe(`hello from ${node.id}`);
    const said = ["message", "send", "--to", "echo", "--content", "hello", "--wait", "20s"];
    expect(await ok(two.cli(...said))).toBe("hello\n");
    const agents = await ok(two.cli("agent", "list"));
    expect(agents).toMatch(/echo\s.*node-3/);
  });

  test("a token of one node is good at every other", async () => {
    const answer = await fetch(`${two.api}/api/v1/cluster/members`, {
      headers: { authorization: `Bearer ${one.token()}` },
    });
    expect(answer.status).toBe(200);
  });

  test("a token that was issued at one node looks at every node, and does nothing at any", async () => {
    const { stdout } = await one.cli("auth", "token", "--role", "viewer", "--expires-in", "10m");
    const token = stdout.trim();
    for (const node of nodes) {
      await ok(node.cli("agent", "list", "--token", token));
      expect(await endOf(node.cli("agent", "suspend", "echo", "--token", token))).toMatch(
        /^4: .*agents:operate/,
      );
    }
    expect(await ok(one.cli("agent", "show", "echo"))).not.toContain("suspended");
  });

  test("gossip keys and certificates match everywhere", async () => {
    const table = await ok(one.cli("cluster", "verify-auth"));
    expect(table.match(/match/g)?.length).toBeGreaterThanOrEqual(6);
    expect(table).not.toContain("mismatch");
  });

  test("ping shows what the coordinates tell beside what is measured", async () => {
    await eventually("there is an estimate", async () => {
      const answer = (await one.ask("/api/v1/cluster/ping?node=node-2")) as Record<string, number | null>;
      const { udp_ms, estimate_ms, stream_ms, message_ms } = answer;
      return [udp_ms, estimate_ms, stream_ms, message_ms].every((ms) => typeof ms === "number" && ms > 0)
        ? true
        : undefined;
    });
    expect(await ok(one.cli("cluster", "ping", "node-2"))).toMatch(
      /^NODE-ID\s+UDP\s+ESTIMATE\s+STREAM\s+MESSAGE/,
    );
  });

  test("a killed node process is restarted by its launcher, with its agents", async () => {
    const before = three.childPids();
    expect(before.length).toBe(1);
    process.kill(before[0] as number, "SIGKILL");
    await eventually("a new node process", () => {
      const now = three.childPids();
      return now.length === 1 && now[0] !== before[0] ? true : undefined;
    });
    await three.ready();
    await untilStatus(one, "node-3", "alive");
    expect(await askAgent(one, "echo", "still there")).toBe("still there");
  });

  test("the loss of a whole node is seen, its mail waits, and a restart brings everything back", async () => {
    await ok(
      one.cli("deploy", counter, "--name", "visits", "--target-node", "node-3", "--on-node-loss", "wait"),
    );
    expect(await askAgent(one, "visits", "1")).toBe("1");
    const watched = watch(one);
    await eventually("the watch is on", async () => {
      await deployAgent(two, echo, { name: "marker", target_node: "node-2" });
      return watched.lines().includes("marker") ? true : undefined;
    });

    await three.kill();
    await untilStatus(one, "node-3", "failed");
    await untilStatus(two, "node-3", "failed");
    expect(await ok(one.cli("cluster", "members"))).toMatch(/NODE-ID\s+STATUS\s+LAST-SEEN\s+AGENTS/);
    expect(await ok(one.cli("message", "send", "--to", "visits", "--content", "2"))).toMatch(/queued/);

    await three.start();
    await untilStatus(one, "node-3", "alive");
    expect(await askAgent(two, "echo", "back")).toBe("back");
    await eventually("the queued message was counted before the next", async () => {
      const { agents } = (await one.ask("/api/v1/agents")) as {
        readonly agents: readonly { name: string; status: string }[];
      };
      return agents.some(({ name, status }) => name === "visits" && status === "running") ? true : undefined;
    });
    expect(Number(await askAgent(one, "visits", "3"))).toBe(3);
    await eventually("the watch told it all", () => {
      const lines = watched.lines();
      return lines.includes("node-3 detected as failed") && /node-3 is alive again/.test(lines)
        ? true
        : undefined;
    });
    watched.stop();
  });

  test("mail that waits is delivered by a cluster that stops as a whole and comes back without its seed", async () => {
    // Two of three are to decide without the seed.
    await untilVoters(nodes, 3);
    const watched = watch(one);
    const before = Number(await askAgent(one, "visits", "1"));
    await three.kill();
    await untilStatus(two, "node-3", "failed");
    expect(await ok(two.cli("message", "send", "--to", "visits", "--content", "2"))).toMatch(/queued/);
    // Whoever still waits for a reply must not hold up a stop.
    const waits = two.cli("message", "send", "--to", "visits", "--content", "x", "--wait", "5m");
    await eventually("the second message is queued, too", async () => {
      const text = await (await fetch(`http://127.0.0.1:${two.metricsPort}/metrics`)).text();
      return /^caxton_outbox_messages(?:\{[^}]*\})? 2$/m.test(text) ? true : undefined;
    });
    expect(await one.stop()).toBe(0);
    expect(await two.stop()).toBe(0);
    expect(await endOf(waits)).toMatch(/^3: .*stops/);
    await Promise.all([two.start(), three.start()]);
    await untilStatus(two, "node-3", "alive");
    await untilStatus(three, "node-2", "alive");
    await eventually("the counter answered what was queued", async () => {
      const { messages } = (await two.ask("/api/v1/messages")) as {
        readonly messages: readonly { readonly sender: string; readonly content: string }[];
      };
      const said = messages.filter(({ sender }) => sender === "visits").map(({ content }) => content);
      return said.includes(`${before + 1}`) && said.includes(`${before + 2}`) ? true : undefined;
    });
    expect(await askAgent(two, "visits", "4")).toBe(`${before + 3}`);
    watched.stop();
  });

  test("stopped in order, it finds itself again without its seed, and with it", async () => {
    // The mail before this one has seen it without the seed, one of two killed: that both stop is for thorough runs.
    if (thorough) {
      for (const node of [two, three]) expect(await node.stop()).toBe(0);
      await Promise.all([two.start(), three.start()]);
      for (const node of [two, three])
        for (const id of ["node-2", "node-3"]) await untilStatus(node, id, "alive");
    }
    await one.start();
    for (const node of nodes) for (const { id } of nodes) await untilStatus(node, id, "alive");
  });

  test("a node that leaves is shown as left, not failed, and exits with 0", async () => {
    const left = two.exited();
    await ok(one.cli("cluster", "leave", "--node", "node-2"));
    expect(await left).toBe(0);
    await untilStatus(one, "node-2", "left");
    await untilStatus(three, "node-2", "left");
  });
});

describe("strangers and mistakes", () => {
  const nodes: TestNodeProcess[] = [];
  const folder = mkdtempSync(join(tmpdir(), "caxton-config-"));
  const file = join(folder, "caxton.yaml");
  let one: TestNodeProcess;

  function configure(level: string, weight: string): void {
    writeFileSync(file, `node:\n  weight: ${weight}\nobservability:\n  log_level: ${level}\n`);
  }

  beforeAll(async () => {
    configure("info", "100");
    one = await TestNodeProcess.start({ id: "node-1", flags: ["--config", file] });
    nodes.push(one);
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()));
    rmSync(folder, { recursive: true });
  });

  test("a node with another key does not get in, and both sides say so", async () => {
    const keyFile = join(folder, "other.key");
    await writeClusterKey(keyFile, randomBytes(key_bytes));
    const stranger = await TestNodeProcess.prepare({ id: "stranger", join: [one], keyFile });
    nodes.push(stranger);
    stranger.launch();
    await eventually("the stranger says why", () =>
      /key|certificate/i.test(stranger.output) ? true : undefined,
    );
    await eventually("the cluster knows", async () => {
      const { nodes: rows } = (await one.ask("/api/v1/cluster/verify-auth")) as VerifyAuthAnswer;
      return rows.some(({ problem }) => problem !== null) ? true : undefined;
    });
    await eventually("the cluster shows it", async () => {
      const { stdout } = await one.cli("cluster", "verify-auth");
      return stdout.includes("refused") ? true : undefined;
    });
    expect(Object.keys(await one.statuses())).toEqual(["node-1"]);
    // Meanwhile it says what it waits for, and takes no work.
    const ready = await eventually("the stranger's API serves", () =>
      fetch(`${stranger.api}/readyz`).catch(() => undefined),
    );
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain(`waits for a seed to let it in (${one.gossipAddress}: `);
    expect(await ok(stranger.cli("cluster", "status"))).toMatch(/^Status: WAITING .*seed[^]*READ-ONLY/);
    expect(await endOf(stranger.cli("deploy", echo, "--name", "echo"))).toMatch(/^3: .*in no cluster yet/);
  });

  test("a node of another cluster's name does not get in", async () => {
    const stranger = await TestNodeProcess.prepare({
      id: "stranger-2",
      join: [one],
      flags: ["--cluster", "elsewhere"],
    });
    nodes.push(stranger);
    stranger.launch();
    await eventually("the stranger says why", () =>
      /cluster/i.test(stranger.output) && /elsewhere/.test(stranger.output) ? true : undefined,
    );
    expect(Object.keys(await one.statuses())).toEqual(["node-1"]);
  });

  test("a second node of a member's name does not get in and says why; the first one keeps name, log and leadership", async () => {
    const before = await leaderView(one);
    const twin = await TestNodeProcess.prepare({ id: one.id, join: [one] });
    nodes.push(twin);
    twin.launch();
    await eventually("the twin says why", () =>
      /"node-1"[^]*choose another with --node-id/.test(twin.output) ? true : undefined,
    );
    expect(Object.keys(await one.statuses())).toEqual(["node-1"]);
    expect(await leaderView(one)).toMatchObject({ leader: before?.leader, term: before?.term, quorum: true });
    await twin.kill();
  });

  test("an agent that nobody hosts is not found", async () => {
    const { code, stderr } = await one.cli(
      "message",
      "send",
      "--to",
      "nobody",
      "--content",
      "x",
      "--wait",
      "5s",
    );
    expect(code).toBe(5);
    expect(stderr).toContain('"nobody"');
    expect(stderr.trim().split("\n").length).toBe(1);
  });

  test("a node that never was is not found; a message that traps its agent is told of at once", async () => {
    const to = (receiver: string): Promise<CommandResult> =>
      one.cli("message", "send", "--to", receiver, "--content", "go", "--wait", "2m");
    expect(await endOf(to("echo@nope"))).toMatch(/^5: .*"nope"/);
    await ok(one.cli("deploy", join(modules, "misbehaving-endless-loop.wasm"), "--name", "loop"));
    expect(await endOf(to("loop"))).toMatch(/^6: .*"loop" did not handle .*trap:fuel/);
    await ok(one.cli("agent", "remove", "loop", "--yes"));
  });

  test("a module that is none is refused with the reason", async () => {
    const { code, stderr } = await one.cli("deploy", join(modules, "README.md"), "--name", "text");
    expect(code).not.toBe(0);
    expect(stderr).toContain("is it a .wasm file");
    expect(((await one.json("agent", "list")) as { agents: unknown[] }).agents).toEqual([]);
  });

  test("a second node in the same data directory is refused", async () => {
    const second = await TestNodeProcess.prepare({ id: "node-1", dataDir: one.dataDir });
    second.launch();
    expect(await second.exited()).toBe(6);
    expect(second.output).toContain("in use");
  });

  test("a port in use ends the start with one line", async () => {
    const clash = await TestNodeProcess.prepare({ id: "node-9", apiPort: one.apiPort });
    nodes.push(clash);
    clash.launch();
    expect(await clash.exited()).toBe(1);
    expect(clash.output).toContain(`127.0.0.1:${one.apiPort}`);
  });

  test("SIGHUP applies what can be changed while running, and says what cannot", async () => {
    configure("warn", "50");
    process.kill(one.pid, "SIGHUP");
    await eventually("the node says what needs a restart", () =>
      /needs a restart: node\.weight/.test(one.output) ? true : undefined,
    );
    configure("verbose", "50");
    process.kill(one.pid, "SIGHUP");
    await eventually("a bad file changes nothing", () =>
      /Reload refused, nothing changed: .*log_level/.test(one.output) ? true : undefined,
    );
    expect((await fetch(`${one.api}/readyz`)).status).toBe(200);
  });

  test("without a token the API answers 401, and the CLI says what to do", async () => {
    expect((await fetch(`${one.api}/api/v1/agents`)).status).toBe(401);
    const { code } = await one.cli("agent", "list", "--token", "nonsense");
    expect(code).toBe(4);
  });

  test("SIGTERM leaves in order: exit code 0", async () => {
    expect(await one.stop()).toBe(0);
  });
});
