import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { KvStore } from "../../../src/control/kv-store.ts";
import { SettingStore } from "../../../src/control/setting-store.ts";
import { LockService } from "../../../src/control/lock-service.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import type { KvCondition } from "../../../src/wire/control-kv.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";

function world() {
  const log = new SingleNodeConsensus();
  const clock = new VirtualClock();
  const client = new ControlClient(log, clock, () => 5_000);
  const kv = new KvStore(client);
  const locks = new LockService(client, clock);
  const asker = { principal: "alice", idempotencyKey: null };
  const put = (key: string, condition: KvCondition = "any", more: object = {}) =>
    kv.put({ key, value: encodeUtf8("x"), mediaType: "text/plain", condition, fence: null, ...more }, asker);
  return { log, clock, client, kv, locks, asker, put };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof CaxtonError) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return "nothing thrown";
}

it("an answer is never older than one before it: a replica that begins anew shows nothing meanwhile", async () => {
  const { log, kv, put } = world();
  await put("a");
  await kv.get("a", "linearizable");
  const read = log.read.bind(log);
  log.read = async (query, options) => ({ ...(await read(query, options)), appliedIndex: 1 });
  expect(await codeOf(kv.get("a", "local"))).toContain(
    "unavailable: The control state here is at entry 1 again",
  );
  log.read = read;
  expect((await kv.get("a", "local")).found).not.toBeNull();
});

describe("a command whose answer was lost", () => {
  it("is not sent again by a node that is cut off: nobody would hear in time", async () => {
    const log = new SingleNodeConsensus();
    let cutOff = false;
    const client = new ControlClient(
      log,
      new VirtualClock(),
      () => 5_000,
      () => cutOff,
    );
    const settings = new SettingStore(client);
    await settings.put("warm", "x");
    log.faults.push("lost_before", "lost_before");
    await settings.put("a", "x");
    const before = log.proposals;
    cutOff = true;
    log.faults.push("lost_before");
    expect(await codeOf(settings.put("b", "x"))).toBe("outcome_unknown: The leader was lost");
    expect(log.proposals).toBe(before + 1);
  });

  it("is sent again and takes effect once", async () => {
    const { log, kv, put } = world();
    await put("warm");
    log.faults.push("lost_after", "lost_before", "lost_after");
    const written = await put("a", "absent");
    expect(written.created).toBe(true);
    expect((await kv.get("a", "linearizable")).found?.version).toBe(written.version);
    expect(log.proposals).toBe(6);
  });

  it("stays unknown when its session ended meanwhile, and is not executed again", async () => {
    const { log, kv, put } = world();
    await put("a");
    const propose = log.propose.bind(log);
    let lost = false;
    log.propose = async (command) => {
      if (lost) return await propose(command);
      lost = true;
      await propose(command);
      // The only session is idle for too long before the second try arrives.
      log.elapsed_ms += 700_000;
      throw new CaxtonError("outcome_unknown", "The leader was lost");
    };
    expect(await codeOf(put("a", "present"))).toMatch(/^outcome_unknown/);
    const version = (await kv.get("a", "local")).found?.version;
    await put("other");
    expect((await kv.get("a", "local")).found?.version).toBe(version);
  });

  it("is told as unknown when time runs out", async () => {
    const { log, clock, put } = world();
    await put("a");
    log.propose = async () => {
      await Promise.resolve();
      clock.advance(2_000);
      throw new CaxtonError("outcome_unknown", "The leader was lost");
    };
    expect(await codeOf(put("a"))).toBe("outcome_unknown: The leader was lost");
  });
});

describe("a command that was not proposed", () => {
  it("says so, and that it may be sent again", async () => {
    const { log, put } = world();
    log.quorum = false;
    expect(await codeOf(put("a"))).toMatch(/^no_quorum/);
    log.quorum = true;
    await put("a", "absent");
    log.faults.push("no_quorum");
    expect(await codeOf(put("a"))).toMatch(/^no_quorum/);
  });

  it("gets a new session when the old one was idle for too long", async () => {
    const { log, put } = world();
    await put("a");
    log.elapsed_ms += 3_600_000;
    expect((await put("b", "absent")).created).toBe(true);
  });
});

describe("refusals", () => {
  it("say what is there instead", async () => {
    const { kv, locks, asker, put } = world();
    const { version } = await put("a");
    expect(await codeOf(put("a", "absent"))).toBe(`precondition_failed: Key "a" is at version ${version}`);
    expect(await codeOf(put("b", 7))).toBe('precondition_failed: Key "b" does not exist');
    const gone = { key: "none", condition: "any", fence: null } as const;
    expect(await codeOf(kv.delete(gone, asker))).toBe('not_found: No key "none"');
    expect(await codeOf(put("a", "any", { fence: { lock: "l", token: 3 } }))).toBe(
      'precondition_failed: Lock "l" is not held, not under 3: nothing was written',
    );
    const lock = { name: "l", holder: "", ttl_ms: 30_000, token: 0 };
    const held = await locks.acquire(lock, asker);
    expect(await codeOf(locks.acquire(lock, { ...asker, principal: "bob" }))).toBe(
      `conflict: Lock "l" is held by alice under token ${held.token} for another 30s`,
    );
    expect(await codeOf(locks.release({ name: "l", token: held.token + 1 }, asker))).toMatch(/^conflict/);
    await locks.release({ name: "l", token: held.token }, asker);
    expect(await codeOf(locks.release({ name: "l", token: held.token }, asker))).toMatch(/^not_found/);
    expect(await codeOf(locks.acquire({ ...lock, token: held.token }, asker))).toMatch(
      /^conflict.*no longer/,
    );
    for (const key of ["", "a\nb", "x".repeat(513), "\ud800"]) {
      expect(await codeOf(put(key)), JSON.stringify(key)).toMatch(/^invalid_argument/);
    }
  });

  it("bound how much a node has under way", async () => {
    const { log, put } = world();
    await put("a");
    const hold: (() => void)[] = [];
    const propose = log.propose.bind(log);
    log.propose = async (command) => {
      await new Promise<void>((resolve) => {
        hold.push(resolve);
      });
      return await propose(command);
    };
    const under = Array.from({ length: 1_000 }, (_, i) => put(`k${i}`));
    expect(await codeOf(put("one more"))).toMatch(/^queue_full/);
    for (const go of hold) go();
    expect(await Promise.all(under)).toHaveLength(1_000);
  });
});
