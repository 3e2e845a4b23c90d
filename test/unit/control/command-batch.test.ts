import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { CommandBatch, type CommandWay } from "../../../src/control/command-batch.ts";
import { ControlClient } from "../../../src/control/control-client.ts";
import { KvStore } from "../../../src/control/kv-store.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { encodeBatch } from "../../../src/wire/control-batch.ts";
import { encodeControlCommand } from "../../../src/wire/control-command.ts";
import { controlCommands } from "../../../src/wire/control-kinds.ts";
import { encodeUtf8 } from "../../../src/wire/cursor.ts";
import type { KvCondition } from "../../../src/wire/control-kv.ts";
import { SingleNodeConsensus } from "../../support/single-node-consensus.ts";

class World {
  readonly log = new SingleNodeConsensus();
  readonly clock = new VirtualClock();
  readonly client = new ControlClient(this.log, this.clock, () => 0);
  readonly kv = new KvStore(this.client);

  /** Writes of several requests at the same time, with what became of each. */
  async together(
    writes: readonly (readonly [key: string, condition: KvCondition, idempotencyKey: string])[],
  ) {
    const batch = this.kv.together(writes.length);
    return await Promise.all(
      writes.map(async ([key, condition, idempotencyKey], at) => {
        const put = {
          key,
          value: encodeUtf8(idempotencyKey),
          mediaType: "text/plain",
          condition,
          fence: null,
        };
        try {
          const asker = { principal: "alice", idempotencyKey, way: batch.slot(at) };
          const { version } = await this.kv.put(put, asker);
          batch.finished(at, true);
          return version;
        } catch (error) {
          const { code } = error as { readonly code: string };
          batch.finished(at, code === "precondition_failed");
          return code;
        }
      }),
    );
  }

  async read(key: string): Promise<string | null> {
    const { found } = await this.kv.get(key, "linearizable");
    return found === null ? null : new TextDecoder().decode(found.value);
  }
}

describe("writes of several requests", () => {
  test("are one entry, done in their order, each with its own outcome", async () => {
    const world = new World();
    await world.kv.get("a", "local");
    const done = await world.together([
      ["a", "absent", "k1"],
      ["a", "absent", "k2"],
      ["b", "present", "k3"],
      ["a", "present", "k4"],
    ]);
    expect(done.map((one) => typeof one === "number" || one)).toEqual([
      true,
      "precondition_failed",
      "precondition_failed",
      true,
    ]);
    // The other opened the session.
    expect(world.log.proposals).toBe(2);
    expect([await world.read("a"), await world.read("b")]).toEqual(["k4", null]);
  });

  test("are done once, however often and with whom they come again", async () => {
    const world = new World();
    await world.together([["x", "any", "k0"]]);
    world.log.faults.push("lost_after");
    const first = await world.together([
      ["a", "any", "k1"],
      ["b", "absent", "k2"],
    ]);
    expect(first).toEqual(["outcome_unknown", "outcome_unknown"]);
    const { found: before } = await world.kv.get("b", "linearizable");
    const again = await world.together([
      ["b", "absent", "k2"],
      ["c", "any", "k3"],
    ]);
    expect(again[0]).toBe(before?.version);
    expect(await world.together([["d", "any", "k2"]])).toEqual(["conflict"]);
    expect(await world.read("d")).toBeNull();
  });

  test("without a quorum nothing of them is done", async () => {
    const world = new World();
    world.log.quorum = false;
    const refused = await world.together([
      ["a", "any", "k1"],
      ["b", "any", "k2"],
    ]);
    expect(refused).toEqual(["no_quorum", "no_quorum"]);
    world.log.quorum = true;
    expect([await world.read("a"), await world.read("b")]).toEqual([null, null]);
  });
});

/** What two requests are told whose batch ended so. */
async function toldAfter(error: Error): Promise<readonly unknown[]> {
  const way: CommandWay = { command: () => Promise.reject(error) };
  const batch = new CommandBatch(way, 2);
  const one = { kind: controlCommands.kvPut, principal: "alice", body: new Uint8Array([1]) };
  const asked = [0, 1].map((at) => batch.slot(at).command({ ...one, idempotencyKey: `k${at}` }));
  return await Promise.all(
    asked.map((done) => done.catch((thrown: unknown) => (thrown as CaxtonError).code)),
  );
}

describe("what ends a batch as a whole", () => {
  test.each([
    "version_mismatch",
    "payload_too_large",
    "too_many_requests",
    "queue_full",
    "invalid_argument",
  ] as const)("%s was refused before anything was done: each may be done by itself", async (code) =>
    expect(await toldAfter(new CaxtonError(code, "refused"))).toEqual(["no_quorum", "no_quorum"]),
  );

  test.each(["no_quorum", "outcome_unknown"] as const)("%s is told as it is", async (code) => {
    expect(await toldAfter(new CaxtonError(code, "so"))).toEqual([code, code]);
  });

  test.each([
    ["a node that stops", new CaxtonError("unavailable", "This node takes no part in consensus any more")],
    ["a bug", new TypeError("undefined is no function")],
  ])("of %s nobody knows what was done: none is told that nothing was", async (_, error) => {
    expect(await toldAfter(error)).toEqual(["unavailable", "unavailable"]);
  });
});

test.each([controlCommands.batch, controlCommands.sessionOpen, controlCommands.lockAcquire, 999])(
  "a batch with command %i in it is refused before it is in the log",
  async (kind) => {
    const { log } = new World();
    const one = { kind, version: 1, principal: "alice", idempotencyKey: "k", body: new Uint8Array() };
    const batch = { kind: controlCommands.batch, version: 1, principal: "", session: null };
    const command = encodeControlCommand({ ...batch, idempotencyKey: null, body: encodeBatch([one]) });
    await expect(log.propose(command)).rejects.toMatchObject({ code: "invalid_argument" });
    expect(log.state.applied.index).toBe(0);
  },
);
