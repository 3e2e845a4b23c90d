/**
 * A real owner that is stopped and goes on: what it may do then, with the cluster there and without it. Metrics are
 * read from the node itself, as Prometheus would.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBootClock } from "../../src/platform/bun/boot-clock.ts";
import { leaderOf, startVoters } from "../support/consensus-nodes.ts";
import { eventually, type TestNodeProcess } from "../support/node-process.ts";
import { testLimit_ms } from "../support/patience.ts";

const counter = new URL("../../wasm-agents/counter.wasm", import.meta.url).pathname;
const lease_ms = 2_000;
const clock = openBootClock();
let nodes: TestNodeProcess[] = [];
let owner: TestNodeProcess;
let others: TestNodeProcess[];

beforeAll(async () => {
  nodes = await startVoters(3);
  const leader = await leaderOf(nodes);
  owner = nodes.find((node) => node !== leader) as TestNodeProcess;
  others = nodes.filter((node) => node !== owner);
  const { code, stderr } = await owner.cli(
    "deploy",
    counter,
    "--name",
    "visits",
    "--target-node",
    owner.id,
    "--on-node-loss",
    "wait",
  );
  if (code !== 0) throw new Error(stderr);
  await untilHeld(1);
});

afterAll(async () => {
  for (const node of nodes) {
    node.signalGroup("SIGCONT");
    await node.dispose();
  }
});

async function metric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${owner.metricsPort}/metrics`, {
    signal: AbortSignal.timeout(10_000),
  });
  const line = (await answer.text()).split("\n").find((text) => text.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

async function untilHeld(held: 0 | 1): Promise<void> {
  await eventually(`the lease is ${held === 1 ? "held" : "lost"}`, async () =>
    (await metric("caxton_lease_held")) === held ? true : undefined,
  );
}

/** The counter's answer: how many it was sent so far. */
async function visit(wait: string): Promise<{ readonly code: number; readonly stdout: string }> {
  return await owner.cli("message", "send", "--to", "visits", "--content", "1", "--wait", wait);
}

function handled(): Promise<number> {
  return metric("caxton_agent_messages_handled_total");
}

/** For longer than any lease lasts. */
async function stoppedFor(time_ms: number): Promise<void> {
  owner.signalGroup("SIGSTOP");
  const end_ms = clock.now_ms() + time_ms;
  await eventually("the time has passed", () => (clock.now_ms() > end_ms ? true : undefined));
}

test(
  "an owner that was stopped for five seconds has lost its lease, and gets it back from the leader",
  async () => {
    expect((await visit("20s")).code).toBe(0);
    const losses = await metric("caxton_lease_losses_total");
    await stoppedFor(5_000);
    owner.signalGroup("SIGCONT");
    await untilHeld(1);
    expect(await metric("caxton_lease_losses_total")).toBe(losses + 1);
    expect((await visit("20s")).code).toBe(0);
  },
  testLimit_ms,
);

test(
  "an owner that comes back to no cluster lets nothing of its agents out until the cluster is there",
  async () => {
    const before = await handled();
    await stoppedFor(lease_ms + 500);
    for (const node of others) node.signalGroup("SIGSTOP");
    owner.signalGroup("SIGCONT");
    expect(await metric("caxton_lease_held")).toBe(0);
    expect(await metric("caxton_agents_parked")).toBe(1);
    expect((await visit("2s")).code).not.toBe(0);
    const queued = await owner.cli("message", "send", "--to", "visits", "--content", "1");
    expect(queued.stdout).toContain("queued");
    expect(await handled()).toBe(before);
    expect(await metric("caxton_lease_held")).toBe(0);
    for (const node of others) node.signalGroup("SIGCONT");
    await untilHeld(1);
    // What was sent meanwhile has waited in the outbox.
    await eventually("the waiting message is handled", async () =>
      (await handled()) > before ? true : undefined,
    );
    expect((await visit("20s")).code).toBe(0);
  },
  testLimit_ms,
);
