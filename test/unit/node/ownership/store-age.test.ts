/** An old copy of a store is noticed, and nothing else is taken for one: crashes at any step, stops, copies in time. */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { ControlClient } from "../../../../src/control/control-client.ts";
import { SettingStore } from "../../../../src/control/setting-store.ts";
import { StoreAge, storeLostSince, storeMarksLimit } from "../../../../src/node/ownership/store-age.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { StoreClient } from "../../../../src/store/store-client.ts";
import { LocalStore } from "../../../support/local-store.ts";
import { SingleNodeConsensus } from "../../../support/single-node-consensus.ts";
import { encodedMessage } from "../../../support/messages.ts";

const self = "node-3" as NodeId;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** What a data directory has: the mark in its store. */
type Disk = Uint8Array | undefined;

class Cluster {
  readonly consensus = new SingleNodeConsensus();
  readonly settings = new SettingStore(new ControlClient(this.consensus, new VirtualClock(), () => 1_000));
  /** Unix ms of the node. */
  wall_ms = 1_000;
  readonly told: string[] = [];

  constructor() {
    opened.push(() => this.consensus.state.close());
  }

  /** A life of the node on that disk. */
  async begin(disk: Disk): Promise<Life> {
    this.wall_ms += 1_000;
    const store = new LocalStore();
    opened.push(() => store.engine.close());
    const client = store.client();
    if (disk !== undefined) await client.putMeta("store.mark", disk);
    const age = new StoreAge({
      self,
      boot: this.wall_ms,
      settings: this.settings,
      store: client,
      clock: { wall_ms: () => this.wall_ms },
      clusterOlder: (detail) => this.told.push(detail),
    });
    return new Life(age, store, client);
  }
}

class Life {
  #messages = 0;

  constructor(
    readonly age: StoreAge,
    readonly store: LocalStore,
    readonly client: StoreClient,
  ) {}

  async copy(): Promise<Disk> {
    return await this.client.getMeta("store.mark");
  }

  async work(): Promise<void> {
    const message = encodedMessage(++this.#messages, { receiver: "alice" });
    const done = this.client.append([{ kind: "conversation", message }]);
    await this.store.settle();
    await done;
  }
}

/** Runs once, well. */
async function lived(cluster: Cluster, disk: Disk): Promise<Life> {
  const life = await cluster.begin(disk);
  expect(await life.age.look()).toBeNull();
  return life;
}

describe("a store", () => {
  test("that is new, or was stopped, or crashed, is no old one", async () => {
    const cluster = new Cluster();
    let disk: Disk;
    for (let i = 0; i < 5; i++) disk = await (await lived(cluster, disk)).copy();
    expect(await storeLostSince(cluster.settings, self)).toBeNull();
    expect(cluster.told).toEqual([]);
  });

  test("that is a copy from before a later life is an old one, until that was decided about", async () => {
    const cluster = new Cluster();
    const old = await (await lived(cluster, undefined)).copy();
    await lived(cluster, old);
    const back = await cluster.begin(old);
    const found = await back.age.look();
    expect(found).toEqual({ since_ms: 2_000, marked_ms: 3_000 });
    // A crash before it was decided, and the next life sees it again.
    const again = await cluster.begin(await back.copy());
    expect(await again.age.look()).toEqual(found);
    if (found !== null) await again.age.accept(found);
    expect(await storeLostSince(cluster.settings, self)).toBe(2_000);
    await lived(cluster, await again.copy());
  });

  test("that had begun a mark when it was copied is gone on with as the newest, as any other", async () => {
    const cluster = new Cluster();
    const first = await (await lived(cluster, undefined)).copy();
    const begun = await cluster.begin(first);
    cluster.consensus.faults.push("no_quorum");
    await expect(begun.age.look()).rejects.toMatchObject({ code: "no_quorum" });
    const copied = await begun.copy();
    const after = await (await lived(cluster, copied)).copy();
    const last = await (await lived(cluster, after)).copy();
    const back = await cluster.begin(copied);
    const found = await back.age.look();
    expect(found).toMatchObject({ since_ms: 2_000 });
    if (found !== null) await back.age.accept(found);
    // What was there before it is an old one from now on, and is told as one.
    expect(await (await cluster.begin(last)).age.look()).not.toBeNull();
    expect(cluster.told).toEqual([]);
  });

  test("that is empty where one was before is an old one", async () => {
    const cluster = new Cluster();
    await lived(cluster, undefined);
    const empty = await cluster.begin(undefined);
    const found = { since_ms: 0, marked_ms: 2_000 };
    expect(await empty.age.look()).toEqual(found);
    await empty.age.accept(found);
    expect(await storeLostSince(cluster.settings, self)).toBe(0);
  });

  test("that was copied while it ran is an old one if it was marked since, and is not if nothing was committed", async () => {
    const cluster = new Cluster();
    const life = await lived(cluster, undefined);
    const copied = await life.copy();
    await life.age.renew();
    await lived(cluster, copied);
    const next = await cluster.begin(await life.copy());
    expect(await next.age.look()).not.toBeNull();

    const other = new Cluster();
    const busy = await lived(other, undefined);
    const before = await busy.copy();
    other.wall_ms += 60_000;
    await busy.work();
    await busy.age.renew();
    const late = await other.begin(before);
    expect(await late.age.look()).toMatchObject({ since_ms: 2_000 });
    await lived(other, await busy.copy());
  });

  test("that is marked by a clock that is far ahead, and goes back, is an old one as ever", async () => {
    const cluster = new Cluster();
    const ahead = await lived(cluster, undefined);
    cluster.wall_ms += 1_000_000;
    await ahead.work();
    await ahead.age.renew();
    const old = await ahead.copy();
    cluster.wall_ms -= 1_000_000;
    const disk = await (await lived(cluster, old)).copy();
    const back = await cluster.begin(old);
    const found = await back.age.look();
    expect(found).toMatchObject({ since_ms: 1_002_000 });
    expect(cluster.told).toEqual([]);
    // Gone on with, it is the newest, and what was there before it is an old one.
    if (found !== null) await back.age.accept(found);
    expect(await (await cluster.begin(disk)).age.look()).not.toBeNull();
    await lived(cluster, await back.copy());
  });

  test("of one node too many takes the place of the one that was marked longest ago", async () => {
    const cluster = new Cluster();
    const other = (i: number) => `store.mark.other-${i}`;
    for (let i = 0; i < storeMarksLimit; i++)
      await cluster.settings.put(other(i), JSON.stringify({ mark: i === 7 ? 5 : 900, since: null }));
    await cluster.settings.put("failover.lost.node-1", "{}");
    const disk = await (await lived(cluster, undefined)).copy();
    await lived(cluster, disk);
    const names = (await cluster.settings.list("local")).map(({ name }) => name);
    expect(names).toHaveLength(storeMarksLimit + 1);
    expect(names).toContain(`store.mark.${self}`);
    expect(names).not.toContain(other(7));
  });

  test("that is newer than the cluster's state is told of, and gone on with", async () => {
    const cluster = new Cluster();
    const old = await (await lived(cluster, undefined)).copy();
    const disk = await (await lived(cluster, old)).copy();
    const restored = new Cluster();
    restored.wall_ms = 10_000;
    await lived(restored, undefined);
    await restored.settings.put(`store.mark.${self}`, JSON.stringify({ mark: 2_000, since: null }));
    const life = await lived(restored, disk);
    expect(restored.told).toHaveLength(1);
    await lived(restored, await life.copy());
    expect(restored.told).toHaveLength(1);
  });

  test("is asked about again where the cluster could not be asked, and where its answer was lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("no_quorum", "lost_before", "lost_after", "none", "crash"), {
          maxLength: 12,
        }),
        async (faults) => {
          const cluster = new Cluster();
          let disk: Disk;
          for (const fault of faults) {
            const life = await cluster.begin(disk);
            if (fault === "crash") cluster.consensus.faults.push("lost_after", "no_quorum");
            else if (fault !== "none") cluster.consensus.faults.push(fault);
            const found = await life.age.look().catch(() => null);
            cluster.consensus.faults.length = 0;
            expect(found).toBeNull();
            disk = await life.copy();
          }
          await lived(cluster, disk);
        },
      ),
      { numRuns: 12 },
    );
  });
});
