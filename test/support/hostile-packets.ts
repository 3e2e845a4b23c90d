/**
 * Packets that a node on the open internet may get, thrown at the driver of a real member by the thousand: of
 * outsiders, of other clusters, of other versions, and of its own cluster, changed, cut or sent again.
 */
import type { NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { Address, DatagramHandlers, Datagrams } from "../../src/ports/datagrams.ts";
import { createGossipSealer } from "../../src/security/gossip-sealer.ts";
import { encodeRecords } from "../../src/wire/gossip-records.ts";
import type { Sealer } from "../../src/wire/sealer.ts";
import { benchTags } from "./swim-bench.ts";
import { clusterUuid, World, type WorldNode } from "./gossip-world.ts";

export interface Onslaught {
  readonly sent: number;
  /** Packets by class. */
  readonly classes: Readonly<Record<string, number>>;
  /** What the node counted as dropped meanwhile, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** All that gossip may change, before and after. */
  readonly before: unknown;
  readonly after: unknown;
  readonly refusedReports: number;
  /** Both still see each other alive, after a while of peace. */
  readonly alive: readonly string[];
}

const from: Address = { host: "10.0.9.9", port: 4_321 };
const key = new Uint8Array(32).fill(7);
const options = { node: "n9" as NodeId, bootEpoch: 1, clusterName: "test", clusterUuid, keys: [key] };
/** Time goes on a little so often. */
const lifeEvery = 20_000;
const recordedLimit = 64;

export async function onslaught(count: number, seed: number): Promise<Onslaught> {
  const world = new World(seed);
  const recorded: Uint8Array[] = [];
  let handlers: DatagramHandlers | undefined;
  const listening: Datagrams = {
    bind: (local, given) => {
      handlers = given;
      return world.datagrams.bind(local, {
        refused: (to) => given.refused(to),
        packet: (source, bytes) => {
          if (recorded.length < recordedLimit) recorded.push(bytes.slice());
          given.packet(source, bytes);
        },
      });
    },
  };
  const node = await world.start("n1", { datagrams: listening });
  const other = await world.start("n2", { seeds: ["n1"] });
  world.clock.advance(10_000);
  const prng = new Prng(seed);
  const classes = hostileClasses(prng, recorded, other);
  const counts: Record<string, number> = {};
  const [before, droppedBefore] = [stateOf(node), node.driver.stats().dropped];
  for (let i = 0; i < count; i++) {
    const [name, make] = classes[prng.below(classes.length)] as (typeof classes)[number];
    counts[name] = (counts[name] ?? 0) + 1;
    handlers?.packet(from, make());
    if (i % lifeEvery === lifeEvery - 1) world.clock.advance(20);
  }
  const dropped = Object.entries(node.driver.stats().dropped).map(
    ([reason, total]) => [reason, total - (droppedBefore[reason] ?? 0)] as const,
  );
  const after = stateOf(node);
  const refusedReports = node.reports.filter((report) => report.kind === "refused").length;
  world.clock.advance(10_000);
  const alive = [...world.alive(node), ...world.alive(other)].toSorted();
  return {
    sent: count,
    classes: counts,
    dropped: Object.fromEntries(dropped.filter(([, total]) => total > 0)),
    before,
    after,
    refusedReports,
    alive,
  };
}

function stateOf({ driver }: WorldNode): unknown {
  const members = driver.members().map(({ lastSeen_ms: _, load: __, ...member }) => member);
  return { members, heads: driver.directory.heads(), uuid: driver.uuid };
}

type HostileClass = readonly [name: string, make: () => Uint8Array];

function hostileClasses(prng: Prng, recorded: readonly Uint8Array[], other: WorldNode): HostileClass[] {
  const random = (least: number, most: number): Uint8Array => {
    const bytes = new Uint8Array(least + prng.below(most - least));
    for (let i = 0; i < bytes.length; i++) bytes[i] = prng.below(256);
    return bytes;
  };
  const real = (): Uint8Array => (recorded[prng.below(recorded.length)] ?? random(60, 200)).slice();
  const word = encodeRecords([
    {
      kind: "failed",
      node: other.id,
      incarnation: { boot: 1, counter: 0 },
      accuser: "n9" as NodeId,
    },
    {
      kind: "alive",
      node: "n9" as NodeId,
      incarnation: { boot: 1, counter: 0 },
      address: { host: "10.0.9.9", port: 1 },
      tags: benchTags,
    },
  ]);
  const sealedBy = (sealer: Sealer): Uint8Array[] => Array.from({ length: 256 }, () => sealer.seal(word));
  const strangers = [
    ...sealedBy(createGossipSealer({ ...options, keys: [new Uint8Array(32).fill(8)] })),
    ...sealedBy(createGossipSealer({ ...options, clusterUuid: "0192f0c0-0000-7000-8000-00000000ffff" })),
    ...sealedBy(createGossipSealer({ ...options, clusterName: "other" })),
  ];
  const holder = createGossipSealer({ ...options, node: "n8" as NodeId });
  return [
    ["outsider, any bytes", () => random(0, 1_500)],
    ["outsider, a header that looks right", () => withHead(random(60, 400), real(), prng.below(60))],
    ["another cluster", () => strangers[prng.below(strangers.length)] as Uint8Array],
    ["another version", () => withVersion(real(), 2 + prng.below(250))],
    ["a member's, bytes flipped", () => flipped(real(), prng)],
    ["a member's, cut or longer", () => resized(real(), prng)],
    ["a member's, sent again", real],
    ["sealed rightly, no records", () => holder.seal(broken(random(1, 200)))],
  ];
}

function withHead(bytes: Uint8Array, head: Uint8Array, length: number): Uint8Array {
  bytes.set(head.subarray(0, Math.min(length, bytes.length)));
  return bytes;
}

function withVersion(bytes: Uint8Array, version: number): Uint8Array {
  bytes[1] = version;
  bytes[2] = version;
  return bytes;
}

/** In place: one to four bits. */
export function flipped(bytes: Uint8Array, prng: Prng): Uint8Array {
  for (let flips = 1 + prng.below(4); flips > 0; flips--) {
    const at = prng.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
  }
  return bytes;
}

function resized(bytes: Uint8Array, prng: Prng): Uint8Array {
  if (prng.chance(0.5)) return bytes.subarray(0, prng.below(bytes.length));
  const longer = new Uint8Array(bytes.length + 1 + prng.below(100));
  longer.set(bytes);
  return longer;
}

/** Of no gossip version. */
function broken(bytes: Uint8Array): Uint8Array {
  bytes[0] = 99;
  return bytes;
}
