/**
 * Streams over a `MemoryNetwork`: the contract of TLS streams, identities judged by both ends, no sockets.
 * One `MemoryStreams` serves all nodes of a simulation; each takes its view with `at(host)`.
 */
import type { NodeId } from "../../base/ids.ts";
import { parseNodeId } from "../../base/ids.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import {
  refusedReason,
  type StreamConnection,
  type StreamHandlers,
  type StreamIdentity,
  type StreamListener,
  type Streams,
} from "../../ports/streams.ts";
import { decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import type { MemoryNetwork } from "./network.ts";
import { StreamPipe } from "./stream-pipe.ts";

/** `write` answers false from here on, until the buffer is empty again. */
const highWater_bytes = 64 * 1024;
const firstEphemeralPort = 49_152;

interface Listener {
  identity: StreamIdentity;
  readonly accept: (connection: StreamConnection) => StreamHandlers;
  readonly refused: (remote: string, reason: string) => void;
}

/** A connection that is being made. */
interface Call {
  readonly from: Address;
  readonly to: Address;
  readonly identity: StreamIdentity;
  readonly expect: NodeId | undefined;
  readonly handlers: StreamHandlers;
}

export class MemoryStreams {
  readonly #listeners = new Map<string, Listener>();
  #nextPort = firstEphemeralPort;

  constructor(private readonly network: MemoryNetwork) {}

  /** The streams of the node at `host`. */
  at(host: string): Streams {
    return {
      listen: async (local, identity, accept, refused) => this.#listen(local, { identity, accept, refused }),
      connect: (to, identity, options, handlers) => {
        const from = { host, port: this.#nextPort++ };
        return this.#connect({ from, to, identity, expect: options.expect, handlers }, options.timeout_ms);
      },
    };
  }

  #listen(wanted: Address, listener: Listener): StreamListener {
    const local = { host: wanted.host, port: wanted.port === 0 ? this.#nextPort++ : wanted.port };
    const name = formatAddress(local);
    if (this.#listeners.has(name)) {
      throw new CaxtonError("port_in_use", `Cannot listen on ${name} (TCP): the address is in use`);
    }
    this.#listeners.set(name, listener);
    return {
      local,
      setIdentity: (identity) => void (listener.identity = identity),
      close: async () => {
        if (this.#listeners.get(name) === listener) this.#listeners.delete(name);
      },
    };
  }

  #connect(call: Call, timeout_ms: number): Promise<StreamConnection> {
    const { from, to } = call;
    return new Promise((resolve, reject) => {
      let over = false;
      const out = new StreamPipe(this.network, from.host, to.host, () => dialled.drained());
      const back = new StreamPipe(this.network, to.host, from.host, () => accepted.drained());
      const dialled = new MemoryConnection(to, out);
      const accepted = new MemoryConnection(from, back);
      dialled.other = accepted;
      accepted.other = dialled;
      const finish = (error: CaxtonError | undefined): void => {
        if (over) return;
        over = true;
        timer.cancel();
        if (error) reject(error);
        else resolve(dialled);
      };
      const fail = (code: "unreachable" | "timeout" | "wrong_key" | "wrong_cluster", reason: string): void =>
        finish(new CaxtonError(code, `Cannot connect to ${formatAddress(to)}: ${reason}`));
      const timer = this.network.clock.after(timeout_ms, () => {
        back.stop();
        dialled.destroy();
        fail("timeout", `timed out after ${timeout_ms} ms`);
      });
      out.push(0, () => {
        const answer = this.#answer(call, accepted, dialled);
        back.push(0, () => {
          if (answer.kind === "refused") fail(answer.code, answer.reason);
          else if (!over) {
            dialled.attach(call.handlers);
            finish(undefined);
          }
        });
        if (answer.kind === "accepted") accepted.attach(answer.accept(accepted));
      });
    });
  }

  /** What the dialled host makes of a call, both certificates judged. */
  #answer(
    { from, to, identity, expect }: Call,
    accepted: MemoryConnection,
    dialled: MemoryConnection,
  ):
    | { readonly kind: "accepted"; readonly accept: Listener["accept"] }
    | {
        readonly kind: "refused";
        readonly code: "unreachable" | "wrong_key" | "wrong_cluster";
        readonly reason: string;
      } {
    const listener = this.#listeners.get(formatAddress(to));
    if (!listener) return { kind: "refused", code: "unreachable", reason: refusedReason };
    const caller = listener.identity.verify(encodeUtf8(identity.certificate));
    const server = identity.verify(encodeUtf8(listener.identity.certificate));
    if (caller.kind === "refused") listener.refused(formatAddress(from), caller.reason);
    if (server.kind === "refused") return server;
    if (caller.kind === "refused") {
      return { kind: "refused", code: caller.code, reason: `the peer refused this node: ${caller.reason}` };
    }
    if (expect !== undefined && server.node !== expect) {
      return { kind: "refused", code: "unreachable", reason: `it is node "${server.node}", not "${expect}"` };
    }
    accepted.identify(caller);
    dialled.identify(server);
    return { kind: "accepted", accept: listener.accept };
  }
}

class MemoryConnection implements StreamConnection {
  peer: NodeId = parseNodeId("unknown");
  serial = "";
  other: MemoryConnection | undefined;
  #handlers: StreamHandlers | undefined;
  #state: "open" | "ending" | "closed" = "open";
  #full = false;

  constructor(
    readonly remote: Address,
    private readonly out: StreamPipe,
  ) {}

  identify({ node, serial }: { readonly node: NodeId; readonly serial: string }): void {
    this.peer = node;
    this.serial = serial;
  }

  attach(handlers: StreamHandlers): void {
    this.#handlers = handlers;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#state !== "open") return false;
    const { other } = this;
    this.out.push(bytes.length, () => other?.receive(bytes));
    this.#full ||= this.buffered_bytes > highWater_bytes;
    return !this.#full;
  }

  get buffered_bytes(): number {
    return this.out.buffered_bytes;
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    const { other } = this;
    this.out.push(0, () => {
      other?.closed(undefined);
      this.closed(undefined);
    });
  }

  destroy(): void {
    if (this.#state === "closed") return;
    const { other, out } = this;
    // What was written and has not arrived is lost; the end itself travels like everything else.
    out.clear();
    this.closed(undefined);
    out.push(0, () => other?.closed("connection reset"));
  }

  /** Its pipe delivered something. */
  drained(): void {
    if (!this.#full || this.buffered_bytes > 0) return;
    this.#full = false;
    this.#handlers?.drain();
  }

  receive(bytes: Uint8Array): void {
    if (this.#state !== "closed") this.#handlers?.data(bytes.slice());
  }

  closed(reason: string | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#handlers?.close(reason);
  }
}

/** An identity for simulations: the "key" is any text, and certificates are their own plain words. */
export function memoryIdentity(key: string, cluster: string, node: NodeId): StreamIdentity {
  return {
    ca: key,
    certificate: `${key}/${cluster}/${node}`,
    key,
    verify(certificate) {
      const [itsKey, itsCluster, itsNode = ""] = decodeUtf8(certificate).split("/");
      if (itsKey !== key) {
        return {
          kind: "refused",
          code: "wrong_key",
          reason: "its certificate does not come from our cluster key",
        };
      }
      if (itsCluster !== cluster) {
        const reason = `it belongs to the cluster "${itsCluster}", not "${cluster}"`;
        return { kind: "refused", code: "wrong_cluster", reason };
      }
      return { kind: "accepted", node: parseNodeId(itsNode), serial: `memory-${itsNode}` };
    },
  };
}
