/** One suite for every implementation of the stream port. */
import { afterEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../src/base/ids.ts";
import { parseNodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { MemoryNetwork } from "../../src/platform/memory/network.ts";
import { memoryIdentity, MemoryStreams } from "../../src/platform/memory/streams.ts";
import { systemClock } from "../../src/platform/node/clock.ts";
import { systemEntropy } from "../../src/platform/node/entropy.ts";
import { openStreams } from "../../src/platform/node/streams.ts";
import type { Address } from "../../src/ports/datagrams.ts";
import type {
  StreamConnection,
  StreamHandlers,
  StreamIdentity,
  StreamListener,
  Streams,
} from "../../src/ports/streams.ts";
import { certificateAuthority, nodeIdentity } from "../../src/security/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { patience_ms } from "../support/patience.ts";
import { until } from "../support/until.ts";

interface Subject {
  readonly streams: Streams;
  readonly identity: (node: string, key?: number, cluster?: string) => StreamIdentity;
  readonly until: (condition: () => boolean) => Promise<void>;
  /** Waits for a promise that the passing of time may be needed for. */
  readonly settled: <T>(promise: Promise<T>) => Promise<T>;
}

const world = { clock: systemClock, entropy: systemEntropy };
const authorities = [1, 2].map((seed) => certificateAuthority(new Uint8Array(32).fill(seed)));

const subjects: Record<string, () => Subject> = {
  "node:tls": () => ({
    streams: openStreams(),
    identity: (node, key = 0, cluster = "prod") =>
      nodeIdentity(authorities[key] as (typeof authorities)[0], parseNodeId(node), cluster, world),
    until,
    settled: (promise) => promise,
  }),
  memory: () => {
    const clock = new VirtualClock();
    const streams = new MemoryStreams(new MemoryNetwork(clock, new Prng(1))).at("127.0.0.1");
    const waitUntil = async (condition: () => boolean): Promise<void> =>
      expect(await clock.runUntilSettled(condition, 60_000)).toBe(true);
    return {
      streams,
      identity: (node, key = 0, cluster = "prod") => memoryIdentity(`key-${key}`, cluster, parseNodeId(node)),
      until: waitUntil,
      settled: async (promise) => {
        let over = false;
        void Promise.allSettled([promise]).then(() => (over = true));
        await waitUntil(() => over);
        return await promise;
      },
    };
  },
};

/** What one end of a connection has seen. */
class End implements StreamHandlers {
  readonly chunks: Uint8Array[] = [];
  readonly closes: (string | undefined)[] = [];
  drains = 0;
  connection: StreamConnection | undefined;
  readonly data = (chunk: Uint8Array): void => void this.chunks.push(chunk);
  readonly drain = (): void => void this.drains++;
  readonly close = (reason: string | undefined): void => void this.closes.push(reason);
  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
  get received_bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }
}

const listeners: StreamListener[] = [];
const ends: End[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) end.connection?.destroy();
  for (const listener of listeners.splice(0)) await listener.close();
});

async function listen(subject: Subject, identity: StreamIdentity, port = 0) {
  const accepted: End[] = [];
  const refused: string[] = [];
  const listener = await subject.streams.listen(
    { host: "127.0.0.1", port },
    identity,
    (connection) => {
      const end = new End();
      end.connection = connection;
      accepted.push(end);
      ends.push(end);
      return end;
    },
    (_remote, reason) => refused.push(reason),
  );
  listeners.push(listener);
  return { listener, accepted, refused };
}

async function connect(
  subject: Subject,
  to: Address,
  identity: StreamIdentity,
  expect_?: NodeId,
): Promise<End> {
  const end = new End();
  ends.push(end);
  const options = { timeout_ms: patience_ms, ...(expect_ === undefined ? {} : { expect: expect_ }) };
  end.connection = await subject.settled(subject.streams.connect(to, identity, options, end));
  return end;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(Object.entries(subjects))("streams: %s", (_name, make) => {
  test("both ends know each other's node, and bytes flow in order both ways", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const client = await connect(subject, listener.local, subject.identity("client"), parseNodeId("server"));
    const server = accepted[0] as End;
    expect(client.connection?.peer).toBe("server");
    expect(server.connection?.peer).toBe("client");
    expect(client.connection?.serial).not.toBe(server.connection?.serial);
    for (let i = 0; i < 100; i++) client.connection?.write(bytes(`${i},`));
    server.connection?.write(bytes("back"));
    const expected = Array.from({ length: 100 }, (_, i) => `${i},`).join("");
    await subject.until(() => server.text.length === expected.length && client.text === "back");
    expect(server.text).toBe(expected);
  });

  test("end sends what is queued, then both ends close once and in order", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const client = await connect(subject, listener.local, subject.identity("client"));
    client.connection?.write(new Uint8Array(3_000_000));
    client.connection?.end();
    client.connection?.end();
    await subject.until(() => client.closes.length > 0 && (accepted[0] as End).closes.length > 0);
    expect(accepted[0]?.received_bytes).toBe(3_000_000);
    expect(client.closes).toEqual([undefined]);
    expect(accepted[0]?.closes).toEqual([undefined]);
    expect(client.connection?.write(bytes("late"))).toBe(false);
  });

  test("a full buffer is told, drained, and nothing of it is lost", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const client = await connect(subject, listener.local, subject.identity("client"));
    let written = 0;
    while (client.connection?.write(new Uint8Array(100_000).fill(written % 251))) written++;
    for (let i = 0; i < 50; i++) client.connection?.write(new Uint8Array(100_000));
    expect(client.connection?.buffered_bytes).toBeGreaterThan(0);
    await subject.until(() => client.drains > 0 && accepted[0]?.received_bytes === (written + 51) * 100_000);
    expect(client.connection?.buffered_bytes).toBe(0);
  });

  test("destroy ends the other side, too", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const client = await connect(subject, listener.local, subject.identity("client"));
    client.connection?.destroy();
    await subject.until(() => client.closes.length > 0 && (accepted[0] as End).closes.length > 0);
    expect(client.closes.length).toBe(1);
    expect(accepted[0]?.closes.length).toBe(1);
  });

  test("a wrong cluster key is clear on both sides, and nothing is handed over", async () => {
    const subject = make();
    const { listener, accepted, refused } = await listen(subject, subject.identity("server"));
    await expect(connect(subject, listener.local, subject.identity("client", 1))).rejects.toMatchObject({
      code: "wrong_key",
      message: expect.stringContaining("does not come from our cluster key"),
    });
    await subject.until(() => refused.length === 1);
    expect(refused[0]).toContain("does not come from our cluster key");
    expect(accepted).toEqual([]);
  });

  test("another cluster under the same key is clear on both sides", async () => {
    const subject = make();
    const { listener, accepted, refused } = await listen(subject, subject.identity("server"));
    await expect(
      connect(subject, listener.local, subject.identity("client", 0, "test")),
    ).rejects.toMatchObject({
      code: "wrong_cluster",
      message: expect.stringContaining('it belongs to the cluster "prod", not "test"'),
    });
    await subject.until(() => refused.length === 1);
    expect(refused[0]).toBe('it belongs to the cluster "test", not "prod"');
    expect(accepted).toEqual([]);
  });

  test("a client that only the server refuses learns the reason", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const trusting: StreamIdentity = {
      ...subject.identity("client", 0, "test"),
      verify: subject.identity("client").verify,
    };
    await expect(connect(subject, listener.local, trusting)).rejects.toMatchObject({
      code: "wrong_cluster",
      message: expect.stringContaining('the peer refused this node: it belongs to the cluster "test"'),
    });
    expect(accepted).toEqual([]);
  });

  test("another node than expected at an address is refused", async () => {
    const subject = make();
    const { listener } = await listen(subject, subject.identity("server"));
    await expect(
      connect(subject, listener.local, subject.identity("client"), parseNodeId("somebody")),
    ).rejects.toMatchObject({
      code: "unreachable",
      message: `Cannot connect to 127.0.0.1:${listener.local.port}: it is node "server", not "somebody"`,
    });
  });

  test("nobody listening is a refused connection; a taken port an error", async () => {
    const subject = make();
    const { listener } = await listen(subject, subject.identity("server"), await freePort());
    await expect(listen(subject, subject.identity("other"), listener.local.port)).rejects.toMatchObject({
      code: "port_in_use",
      message: `Cannot listen on 127.0.0.1:${listener.local.port} (TCP): the address is in use`,
    });
    await listener.close();
    await listener.close();
    await expect(connect(subject, listener.local, subject.identity("client"))).rejects.toMatchObject({
      code: "unreachable",
      message: `Cannot connect to 127.0.0.1:${listener.local.port}: connection refused`,
    });
  });

  test("a new identity serves new connections while open ones stay", async () => {
    const subject = make();
    const { listener, accepted } = await listen(subject, subject.identity("server"));
    const old = await connect(subject, listener.local, subject.identity("client"));
    listener.setIdentity(subject.identity("server", 1));
    const renewed = await connect(subject, listener.local, subject.identity("client", 1));
    await expect(connect(subject, listener.local, subject.identity("client"))).rejects.toMatchObject({
      code: "wrong_key",
    });
    old.connection?.write(bytes("old"));
    renewed.connection?.write(bytes("new"));
    await subject.until(() => accepted[0]?.text === "old" && accepted[1]?.text === "new");
  });
});
