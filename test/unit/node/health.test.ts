/** Whether a node says that its disk is full, and that it is not any more. */
import { afterEach, expect, test } from "vitest";
import { diskCheck } from "../../../src/node/health.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import type { StoreClient } from "../../../src/store/store-client.ts";
import { LocalStore } from "../../support/local-store.ts";

let store: LocalStore;

afterEach(() => {
  store.databases.dispose();
});

async function settled<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const end = (): void => void (done = true);
  promise.then(end, end);
  while (!done) await store.settle();
  return await promise;
}

async function fill(client: StoreClient): Promise<void> {
  for (let n = 0; n < 100; n++) {
    try {
      await settled(client.putMeta(`ballast-${n}`, new Uint8Array(50_000)));
    } catch (error) {
      expect(error).toMatchObject({ code: "disk_full" });
      return;
    }
  }
  expect.unreachable("never full");
}

test("a full disk shows, and passes when there is room, also on a node that writes nothing", async () => {
  store = new LocalStore(memoryDatabases(), { maximum_bytes: 600_000 });
  const client = store.client();
  const check = diskCheck(client);
  expect(await settled(check())).toEqual({ name: "disk", ok: true, detail: "takes writes" });
  await fill(client);
  for (const each of await settled(Promise.all([check(), check()]))) {
    expect(each.ok).toBe(false);
    expect(each.detail).toContain("full");
  }
  store.engine.database.execute("PRAGMA max_page_count=100000");
  expect((await settled(check())).ok).toBe(true);
  expect((await settled(client.stats())).refusing).toBeNull();
});

test("a refusal that says nothing of the disk does not count", async () => {
  store = new LocalStore();
  const client = store.client();
  const wrong = client.putModule(
    "0".repeat(64) as Parameters<StoreClient["putModule"]>[0],
    new Uint8Array(3),
  );
  await expect(settled(wrong)).rejects.toMatchObject({ code: "invalid_module" });
  expect((await settled(client.stats())).refusing).toBeNull();
});
