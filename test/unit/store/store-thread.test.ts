import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError, reasonOf } from "../../../src/base/errors.ts";
import type { AgentName, ModuleHash } from "../../../src/base/ids.ts";
import { openPort } from "../../../src/platform/node/threads.ts";
import { StoreClient } from "../../../src/store/store-client.ts";
import { startStoreThread, type StoreThread } from "../../../src/store/store-thread.ts";
import { encodedMessage } from "../../support/messages.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const bob = "bob" as AgentName;
let directory = temporaryDirectory("thread");
let thread: StoreThread | undefined;

async function start(at = join(directory.path, "store.db")): Promise<StoreThread> {
  thread = await startStoreThread(at);
  return thread;
}

afterEach(async () => {
  await thread?.client.close();
  thread = undefined;
  directory.remove();
  directory = temporaryDirectory("thread");
});

/** The code of what a promise is refused with. Awaited plainly: `rejects` of `bun test` does not wait for other threads. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (thrown) {
    return thrown instanceof CaxtonError ? thrown.code : reasonOf(thrown);
  }
  return "not refused";
}

describe("the store in its thread", () => {
  test("clients on several channels share it, and what they were told is there after a restart", async () => {
    const { client, connect } = await start();
    const other = new StoreClient(openPort(connect()));
    const appends = Array.from({ length: 300 }, (_, n) =>
      (n % 2 === 0 ? client : other).append([{ kind: "accepted", agent: bob, message: encodedMessage(n) }]),
    );
    await Promise.all(appends);
    expect((await other.recoverAgent(bob)).inbox).toHaveLength(300);
    const stats = await client.stats();
    expect(stats.commits).toBeLessThan(300);
    expect(stats.commit_ms).toHaveLength(stats.commits);
    await other.close();
    await client.close();
    const again = await start();
    expect((await again.client.recoverAgent(bob)).inbox).toHaveLength(300);
  });

  test("the order of one client's appends is the order of its inbox", async () => {
    const { client } = await start();
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        client.append([{ kind: "accepted", agent: bob, message: encodedMessage(n) }]),
      ),
    );
    const { inbox } = await client.recoverAgent(bob);
    expect(inbox).toEqual(Array.from({ length: 50 }, (_, n) => encodedMessage(n)));
  });

  test("an outbox larger than one answer comes whole and in order", async () => {
    const { client } = await start();
    const content = "x".repeat(300_000);
    const numbers = Array.from({ length: 60 }, (_, n) => n);
    await client.append(numbers.map((n) => ({ kind: "outbox", message: encodedMessage(n, { content }) })));
    await client.append([{ kind: "sent", message: "01890000-0000-7000-8000-000000000000" as never }]);
    const outbox = await client.recoverOutbox();
    expect(outbox.map((message) => message[23])).toEqual(Array.from({ length: 59 }, (_, n) => n + 1));
    expect((await client.stats()).outbox).toBe(59);
  });

  test("large bytes go both ways unchanged", async () => {
    const { client } = await start();
    const bytes = new Uint8Array(3_000_000).map((_, i) => i * 31);
    const hash = createHash("sha256").update(bytes).digest("hex") as ModuleHash;
    await client.putModule(hash, bytes);
    expect(bytes.length).toBe(3_000_000);
    const found = await client.getModule(hash);
    expect(found !== undefined && createHash("sha256").update(found).digest("hex")).toBe(hash);
  });

  test("closing the owner's client ends the thread and every other client's hope", async () => {
    const { client, connect, ended } = await start();
    const other = new StoreClient(openPort(connect()));
    await other.listAgents();
    await client.close();
    await client.close();
    expect(await ended).toBeUndefined();
    expect(await refusal(client.listAgents())).toBe("unavailable");
    const log = join(directory.path, "store.db-wal");
    expect(existsSync(log) ? statSync(log).size : 0).toBe(0);
  });

  test("what cannot be opened is refused with the reason, and nothing is left running", async () => {
    const path = join(directory.path, "store.db");
    writeFileSync(path, "no database at all, but long enough to be looked at");
    expect(await refusal(start(path))).toBe("data_corrupt");
    expect(await refusal(start(join(directory.path, "none", "store.db")))).toBe("storage_failed");
  });
});

/** A file system of its own, so that a full disk is a real one. Only root may make one. */
function mountSmall(at: string): boolean {
  mkdirSync(at);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", at], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("a real full disk", () => {
  const root = temporaryDirectory("full");
  const disk = join(root.path, "disk");
  const mounted = mountSmall(disk);

  afterEach(async () => {
    await thread?.client.close();
    thread = undefined;
    // Lazily: the engine holds its files until its statements are collected.
    if (mounted) execFileSync("umount", ["--lazy", disk]);
    root.remove();
  });

  test.skipIf(!mounted)(
    "turns writes into disk_full, keeps what was acknowledged readable, and passes when room returns",
    async () => {
      writeFileSync(join(disk, "ballast"), new Uint8Array(1_000_000));
      const { client } = await start(join(disk, "store.db"));
      const content = "x".repeat(20_000);
      let acknowledged = 0;
      const fill = async (): Promise<string> => {
        for (; acknowledged < 1_000; acknowledged++) {
          const message = encodedMessage(acknowledged, { content });
          const code = await refusal(client.append([{ kind: "accepted", agent: bob, message }]));
          if (code !== "not refused") return code;
        }
        return "never full";
      };
      expect(await fill()).toBe("disk_full");
      expect(acknowledged).toBeGreaterThan(10);
      expect((await client.recoverAgent(bob)).inbox).toHaveLength(acknowledged);
      expect(await refusal(client.putMeta("key", new Uint8Array(50_000)))).toBe("disk_full");
      await client.close();
      const again = await start(join(disk, "store.db"));
      expect((await again.client.recoverAgent(bob)).inbox).toHaveLength(acknowledged);
      rmSync(join(disk, "ballast"));
      await again.client.append([
        { kind: "accepted", agent: bob, message: encodedMessage(acknowledged, { content }) },
      ]);
      expect((await again.client.recoverAgent(bob)).inbox).toHaveLength(acknowledged + 1);
    },
  );
});
