import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import {
  cuttableDatagrams,
  cuttableStreams,
  cutLimit_ms,
  NetworkCut,
} from "../../../src/cluster/network-cut.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Address, DatagramHandlers } from "../../../src/ports/datagrams.ts";
import type {
  StreamConnection,
  StreamHandlers,
  StreamIdentity,
  Streams,
} from "../../../src/ports/streams.ts";

const there: Address = { host: "10.0.0.2", port: 7946 };
const elsewhere: Address = { host: "10.0.0.3", port: 7946 };
const other = "node-2" as NodeId;
const third = "node-3" as NodeId;
const order = { nodes: [other], addresses: [there], for_ms: 1_000 };

/** Streams whose other ends the test holds. */
class HeldStreams implements Streams {
  readonly ends: {
    connection: StreamConnection;
    handlers: StreamHandlers;
    written: string[];
    destroyed: boolean;
  }[] = [];
  /** What was left of each dial's time. */
  readonly timeouts: number[] = [];
  accept: ((connection: StreamConnection) => StreamHandlers) | undefined;

  listen(
    local: Address,
    _identity: StreamIdentity,
    accept: (connection: StreamConnection) => StreamHandlers,
  ) {
    this.accept = accept;
    return Promise.resolve({ local, setIdentity: () => undefined, close: () => Promise.resolve() });
  }

  connect(
    to: Address,
    _identity: StreamIdentity,
    { timeout_ms }: { readonly timeout_ms: number },
    handlers: StreamHandlers,
  ): Promise<StreamConnection> {
    this.timeouts.push(timeout_ms);
    return Promise.resolve(this.#end(to.host === there.host ? other : third, handlers));
  }

  dialledBy(peer: NodeId): void {
    const accepted: { handlers?: StreamHandlers | undefined } = {};
    const late: StreamHandlers = {
      data: (chunk) => accepted.handlers?.data(chunk),
      drain: () => accepted.handlers?.drain(),
      close: (reason) => accepted.handlers?.close(reason),
    };
    accepted.handlers = this.accept?.(this.#end(peer, late));
  }

  #end(peer: NodeId, handlers: StreamHandlers): StreamConnection {
    const written: string[] = [];
    const destroy = (): void => {
      if (end.destroyed) return;
      end.destroyed = true;
      handlers.close("destroyed");
    };
    const connection: StreamConnection = {
      peer,
      remote: peer === other ? there : elsewhere,
      serial: "00",
      buffered_bytes: 0,
      write: (bytes) => {
        written.push(new TextDecoder().decode(bytes));
        return true;
      },
      end: destroy,
      destroy,
    };
    const end = { connection, handlers, written, destroyed: false };
    this.ends.push(end);
    return connection;
  }
}

function world() {
  const clock = new VirtualClock();
  const cut = new NetworkCut(clock);
  const held = new HeldStreams();
  const streams = cuttableStreams(held, cut, clock);
  const seen: string[] = [];
  const handlers: StreamHandlers = {
    data: (chunk) => seen.push(new TextDecoder().decode(chunk)),
    drain: () => undefined,
    close: (reason) => seen.push(`closed: ${reason ?? "in order"}`),
  };
  const dial = (to: Address, expect: NodeId) =>
    streams.connect(to, {} as StreamIdentity, { timeout_ms: 500, expect }, handlers);
  return { clock, cut, held, streams, seen, handlers, dial };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("streams", () => {
  test("across the cut nothing passes and nothing is told; the connection ends with the cut", async () => {
    const { clock, cut, held, seen, dial } = world();
    const connection = await dial(there, other);
    cut.begin(order);
    expect(connection.write(bytes("lost"))).toBe(true);
    held.ends[0]?.handlers.data(bytes("unheard"));
    expect([held.ends[0]?.written, seen]).toEqual([[], []]);
    clock.advance(1_000);
    expect([held.ends[0]?.destroyed, seen]).toEqual([true, ["closed: destroyed"]]);
  });

  test("the end of a connection across the cut is heard of when it is over", async () => {
    const { clock, cut, held, seen, dial } = world();
    await dial(there, other);
    cut.begin(order);
    held.ends[0]?.handlers.close(undefined);
    expect(seen).toEqual([]);
    clock.advance(1_000);
    expect(seen).toEqual(["closed: in order"]);
  });

  test("a connection of which nothing was lost goes on, and so do those of the own side", async () => {
    const { clock, cut, held, seen, dial } = world();
    const connection = await dial(there, other);
    const own = await dial(elsewhere, third);
    cut.begin(order);
    own.write(bytes("here"));
    held.ends[1]?.handlers.data(bytes("heard"));
    clock.advance(1_000);
    connection.write(bytes("after"));
    held.ends[0]?.handlers.data(bytes("again"));
    expect([held.ends[0]?.written, held.ends[1]?.written, seen]).toEqual([
      ["after"],
      ["here"],
      ["heard", "again"],
    ]);
  });

  test("dialling across the cut times out, and whoever dials in is not there until it ends", async () => {
    const { clock, cut, held, streams, handlers, dial } = world();
    const accepted: NodeId[] = [];
    await streams.listen(
      elsewhere,
      {} as StreamIdentity,
      ({ peer }) => {
        accepted.push(peer);
        return handlers;
      },
      () => undefined,
    );
    cut.begin(order);
    const dialled = dial(there, other).catch((error: unknown) => String(error));
    held.dialledBy(other);
    held.dialledBy(third);
    clock.advance(500);
    expect(await dialled).toContain("timed out after 500 ms");
    expect(accepted).toEqual([third]);
    clock.advance(500);
    held.dialledBy(other);
    expect(accepted).toEqual([third, other]);
    expect(held.ends[0]?.destroyed).toBe(true);
  });

  test("a dial that still waits when the cut ends is made then, as a repeated SYN would be", async () => {
    const { clock, cut, held, dial } = world();
    cut.begin({ ...order, for_ms: 300 });
    let made: StreamConnection | undefined;
    void dial(there, other).then((connection) => (made = connection));
    clock.advance(299);
    await settled();
    expect([held.ends.length, made]).toEqual([0, undefined]);
    clock.advance(1);
    await settled();
    expect([held.ends.length, made?.peer, held.timeouts]).toEqual([1, other, [200]]);
  });

  test("a dial waits on when a new cut begins where another ends", async () => {
    const { clock, cut, held, dial } = world();
    cut.onEnd(() => cut.begin(order));
    cut.begin({ ...order, for_ms: 300 });
    const dialled = dial(there, other).catch((error: unknown) => String(error));
    clock.advance(500);
    expect(await dialled).toContain("timed out after 500 ms");
    expect(held.ends).toEqual([]);
  });

  test("no order cuts for longer than the limit", () => {
    const { clock, cut } = world();
    cut.begin({ ...order, for_ms: Number.MAX_SAFE_INTEGER });
    clock.advance(cutLimit_ms - 1);
    expect(cut.node(other)).toBe(true);
    clock.advance(1);
    expect(cut.node(other)).toBe(false);
  });
});

test("datagrams to and from the other side are lost, others are not", async () => {
  const cut = new NetworkCut(new VirtualClock());
  const sent: string[] = [];
  let inside: DatagramHandlers | undefined;
  const datagrams = cuttableDatagrams(
    {
      bind: (local, handlers) => {
        inside = handlers;
        const send = (to: Address) => {
          sent.push(to.host);
          return "sent" as const;
        };
        return Promise.resolve({ local, send, close: () => Promise.resolve() });
      },
    },
    cut,
  );
  const heard: string[] = [];
  const socket = await datagrams.bind(elsewhere, {
    packet: (from) => heard.push(from.host),
    refused: (to) => heard.push(`refused by ${to.host}`),
  });
  cut.begin(order);
  expect(socket.send(there, bytes("x"))).toBe("sent");
  socket.send(elsewhere, bytes("x"));
  inside?.packet(there, bytes("x"));
  inside?.packet(elsewhere, bytes("x"));
  inside?.refused(there);
  expect([sent, heard]).toEqual([["10.0.0.3"], ["10.0.0.3"]]);
  cut.end();
  socket.send(there, bytes("x"));
  inside?.packet(there, bytes("x"));
  expect([sent, heard]).toEqual([
    ["10.0.0.3", "10.0.0.2"],
    ["10.0.0.3", "10.0.0.2"],
  ]);
});
