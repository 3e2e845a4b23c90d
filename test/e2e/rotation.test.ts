/** The gossip key of three real nodes is replaced while they run, one of them ending and starting at awkward moments. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestNodeProcess, eventually } from "../support/node-process.ts";
import { thorough } from "../support/thorough.ts";

interface Check {
  readonly nodes: readonly { readonly node: string; readonly gossip_key: string; readonly detail: string }[];
}
interface Rotation {
  readonly key: string;
  readonly previous: string;
  readonly nodes: readonly { readonly node: string; readonly status: string }[];
}

const nodes: TestNodeProcess[] = [];
let one: TestNodeProcess;
let two: TestNodeProcess;
let three: TestNodeProcess;

beforeAll(async () => {
  one = await TestNodeProcess.start({ id: "node-1" });
  nodes.push(one);
  [two, three] = (await Promise.all(
    ["node-2", "node-3"].map((id) => TestNodeProcess.start({ id, join: [one] })),
  )) as [TestNodeProcess, TestNodeProcess];
  nodes.push(two, three);
  await allAlive();
});

afterAll(async () => {
  for (const node of nodes) await node.dispose();
});

async function allAlive(): Promise<void> {
  for (const node of nodes) {
    await eventually(`three alive at ${node.id}`, async () => {
      const seen = Object.values(await node.statuses());
      return seen.length === 3 && seen.every((status) => status === "alive") ? true : undefined;
    });
  }
}

/** Every node answers, and seals with this key. */
async function allSealWith(key: string): Promise<void> {
  for (const node of nodes) {
    await eventually(`${node.id} sees key ${key} at all nodes`, async () => {
      const { nodes: rows } = (await node.ask("/api/v1/cluster/verify-auth")) as Check;
      const fit = rows.every((row) => row.gossip_key === "match" && row.detail.endsWith(`key ${key}`));
      if (rows.length !== 3 || !fit) throw new Error(JSON.stringify(rows));
      return true;
    });
  }
}

async function rotate(at: TestNodeProcess): Promise<Rotation> {
  return (await at.json("security", "rotate-gossip-key")) as Rotation;
}

interface Ring {
  readonly generation: number;
  readonly keys: readonly string[];
}

function ringOf(node: TestNodeProcess): Ring {
  return JSON.parse(readFileSync(join(node.dataDir, "gossip.keys"), "utf8")) as Ring;
}

/** Packets by gossip go on: nothing is dropped for its key from now on. */
async function udpWorks(from: TestNodeProcess, to: string): Promise<void> {
  await eventually(`${from.id} pings ${to}`, async () => {
    const { udp_ms } = (await from.ask(`/api/v1/cluster/ping?node=${to}`)) as {
      readonly udp_ms: number | null;
    };
    return udp_ms === null ? undefined : true;
  });
}

let key = "";

test("all nodes take a new key, kept on disk for their owner only, and nobody is suspected", async () => {
  const rotation = await rotate(one);
  expect(rotation.nodes.map(({ status }) => status)).toEqual(["rotated", "rotated", "rotated"]);
  expect(rotation.key).not.toBe(rotation.previous);
  key = rotation.key;
  await allSealWith(key);
  for (const node of nodes) {
    expect(ringOf(node)).toMatchObject({ generation: 3, keys: ringOf(one).keys });
    expect(ringOf(node).keys.length).toBe(1);
    expect(statSync(join(node.dataDir, "gossip.keys")).mode & 0o777).toBe(0o600);
    // That nobody is even doubted, `unit/cluster/gossip/keys` shows; here the machine may stand still.
    expect(node.output).not.toMatch(/Refused|has failed/);
  }
  await udpWorks(one, "node-3");
});

test("a node that was down all the while gets back in by its streams and takes the key", async () => {
  await three.kill();
  const rotation = await rotate(two);
  expect(rotation.nodes.find(({ node }) => node === "node-3")?.status).toBe("down");
  expect(ringOf(three).generation).toBe(3);
  await three.start();
  await allAlive();
  await allSealWith(rotation.key);
  await udpWorks(three, "node-1");
  for (const node of nodes) expect(node.output).not.toContain("Refused");
  key = rotation.key;
});

test("a node that is killed in the middle of a rotation comes back with what it had on disk, and takes the rest", async () => {
  const rotating = rotate(one);
  await eventually("the second step is on disk at node 2", () =>
    ringOf(two).generation >= 8 ? true : undefined,
  );
  process.kill(two.childPids()[0] as number, "SIGKILL");
  // Either way the key is the cluster's at the end: the rotation waits for the restart, or ends without the node.
  const rotation = await rotating;
  key = rotation.key;
  await two.ready();
  await allAlive();
  await allSealWith(key);
  for (const node of nodes) {
    await eventually(`${node.id} has the last step on disk`, () =>
      ringOf(node).generation === 9 ? true : undefined,
    );
    expect(node.output).not.toContain("Refused");
  }
});

test("a node that is new learns the key; in thorough runs after a restart of all, who have it still", async () => {
  if (thorough) {
    for (const node of nodes) expect(await node.stop()).toBe(0);
    await Promise.all(nodes.map((node) => node.start()));
    await allAlive();
  }
  await allSealWith(key);
  const four = await TestNodeProcess.start({ id: "node-4", join: [one] });
  try {
    await udpWorks(four, "node-2");
    await eventually("the new node has the ring", () =>
      ringOf(four).keys[0] === ringOf(one).keys[0] ? true : undefined,
    );
  } finally {
    await four.dispose();
  }
});
