/**
 * A cut of the network, made at this node for a drill: for a bounded time nothing reaches the named nodes and nothing
 * of them is heard, silently, as a firewall that drops does. It ends by this thread's own clock. One object a thread
 * that has sockets; `cuttableStreams` and `cuttableDatagrams` put it between the sockets and their users.
 */
import { CaxtonError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { type Address, type Datagrams, formatAddress } from "../ports/datagrams.ts";
import type { StreamConnection, StreamHandlers, Streams } from "../ports/streams.ts";

/** No drill lasts longer, whatever was ordered. */
export const cutLimit_ms = 600_000;

export interface CutOrder {
  /** The other side. */
  readonly nodes: readonly NodeId[];
  /** Where these nodes send and listen. */
  readonly addresses: readonly Address[];
  readonly for_ms: number;
}

export class NetworkCut {
  #nodes: ReadonlySet<NodeId> = new Set();
  #addresses: ReadonlySet<string> = new Set();
  #timer: Timer | undefined;
  readonly #ended = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  /** Replaces a cut that is there. */
  begin({ nodes, addresses, for_ms }: CutOrder): void {
    this.#timer?.cancel();
    this.#nodes = new Set(nodes);
    this.#addresses = new Set(addresses.map(formatAddress));
    this.#timer = this.clock.after(Math.min(cutLimit_ms, Math.max(0, for_ms)), () => this.end());
  }

  end(): void {
    this.#timer?.cancel();
    this.#nodes = new Set();
    this.#addresses = new Set();
    for (const tell of [...this.#ended]) tell();
  }

  node(node: NodeId): boolean {
    return this.#nodes.has(node);
  }

  address(address: Address): boolean {
    return this.#addresses.size > 0 && this.#addresses.has(formatAddress(address));
  }

  /** Returns what takes the listener back. */
  onEnd(listener: () => void): () => void {
    this.#ended.add(listener);
    return () => void this.#ended.delete(listener);
  }
}

export function cuttableDatagrams(datagrams: Datagrams, cut: NetworkCut): Datagrams {
  return {
    bind: async (local, handlers) => {
      const socket = await datagrams.bind(local, {
        ...handlers,
        packet: (from, bytes) => {
          if (!cut.address(from)) handlers.packet(from, bytes);
        },
        refused: (to) => {
          if (!cut.address(to)) handlers.refused(to);
        },
      });
      return {
        local: socket.local,
        // As lost on its way.
        send: (to, bytes) => (cut.address(to) ? "sent" : socket.send(to, bytes)),
        close: () => socket.close(),
      };
    },
  };
}

export function cuttableStreams(streams: Streams, cut: NetworkCut, clock: Clock): Streams {
  return {
    listen: (local, identity, accept, refused) =>
      streams.listen(
        local,
        identity,
        (inner) => {
          if (cut.node(inner.peer)) return unheard(inner, cut);
          const connection = new CuttableConnection(inner, cut);
          connection.serve(accept(connection));
          return connection.handlers;
        },
        refused,
      ),
    connect: async (to, identity, options, handlers) => {
      const { expect, timeout_ms } = options;
      const isCut = (): boolean => cut.address(to) || (expect !== undefined && cut.node(expect));
      let left_ms = timeout_ms;
      if (isCut()) {
        const begun_ms = clock.now_ms();
        // As a SYN that is repeated: who still waits when the cut ends gets through.
        await untilWhole(cut, clock, isCut, timeout_ms);
        left_ms -= Math.ceil(clock.now_ms() - begun_ms);
      }
      if (isCut() || left_ms <= 0) {
        throw new CaxtonError(
          "timeout",
          `Cannot connect to ${formatAddress(to)}: timed out after ${timeout_ms} ms`,
        );
      }
      const connection = new LateConnection(cut);
      const remaining = { ...options, timeout_ms: left_ms };
      const inner = await streams.connect(to, identity, remaining, connection.handlers);
      return connection.begin(inner, handlers);
    },
  };
}

/** Until `isCut` no longer holds, or for `timeout_ms`. */
function untilWhole(cut: NetworkCut, clock: Clock, isCut: () => boolean, timeout_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      timer.cancel();
      resolve();
    };
    const timer = clock.after(timeout_ms, done);
    const stop = cut.onEnd(() => {
      if (!isCut()) done();
    });
  });
}

/** A connection that came through the cut: as if it had never come, and ended with the cut. */
function unheard(inner: StreamConnection, cut: NetworkCut): StreamHandlers {
  const stop = cut.onEnd(() => {
    stop();
    inner.destroy();
  });
  return { data: () => {}, drain: () => {}, close: () => stop() };
}

/** Bytes that are lost in the middle would break what follows, so a connection that lost some ends with the cut. */
class CuttableConnection implements StreamConnection {
  #handlers: StreamHandlers | undefined;
  #dead = false;
  #closing = false;
  /** The end that was not heard of because of the cut. */
  #closed: { readonly reason: string | undefined } | undefined;
  readonly #stop: () => void;

  constructor(
    private readonly inner: StreamConnection,
    private readonly cut: NetworkCut,
  ) {
    this.#stop = cut.onEnd(() => {
      if (this.#closed !== undefined) this.#close(this.#closed.reason);
      else if (this.#dead) inner.destroy();
    });
  }

  readonly handlers: StreamHandlers = {
    data: (chunk) => {
      if (this.#isCut()) this.#dead = true;
      if (!this.#dead) this.#handlers?.data(chunk);
    },
    drain: () => this.#handlers?.drain(),
    close: (reason) => {
      if (this.#isCut() && !this.#closing) this.#closed = { reason };
      else this.#close(reason);
    },
  };

  serve(handlers: StreamHandlers): void {
    this.#handlers = handlers;
  }

  get peer(): NodeId {
    return this.inner.peer;
  }

  get remote(): Address {
    return this.inner.remote;
  }

  get serial(): string {
    return this.inner.serial;
  }

  get buffered_bytes(): number {
    return this.inner.buffered_bytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isCut()) this.#dead = true;
    return this.#dead ? true : this.inner.write(bytes);
  }

  end(): void {
    this.#closing = true;
    if (this.#closed !== undefined) this.#close(undefined);
    // The goodbye would be heard.
    else if (this.#isCut()) this.inner.destroy();
    else this.inner.end();
  }

  destroy(): void {
    this.#closing = true;
    if (this.#closed !== undefined) this.#close(undefined);
    else this.inner.destroy();
  }

  #isCut(): boolean {
    return this.cut.node(this.inner.peer);
  }

  #close(reason: string | undefined): void {
    this.#stop();
    const handlers = this.#handlers;
    this.#handlers = undefined;
    handlers?.close(reason);
  }
}

/** Handlers of a connection that is being made: data may come before the connection itself is there. */
class LateConnection {
  #connection: CuttableConnection | undefined;
  readonly #early: Uint8Array[] = [];
  #closed: { readonly reason: string | undefined } | undefined;

  constructor(private readonly cut: NetworkCut) {}

  readonly handlers: StreamHandlers = {
    data: (chunk) => {
      if (this.#connection === undefined) this.#early.push(chunk);
      else this.#connection.handlers.data(chunk);
    },
    drain: () => this.#connection?.handlers.drain(),
    close: (reason) => {
      if (this.#connection === undefined) this.#closed = { reason };
      else this.#connection.handlers.close(reason);
    },
  };

  begin(inner: StreamConnection, handlers: StreamHandlers): StreamConnection {
    const connection = new CuttableConnection(inner, this.cut);
    connection.serve(handlers);
    this.#connection = connection;
    for (const chunk of this.#early.splice(0)) connection.handlers.data(chunk);
    if (this.#closed !== undefined) connection.handlers.close(this.#closed.reason);
    return connection;
  }
}
