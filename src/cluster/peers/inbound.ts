/**
 * A connection that a peer dialled: its greeting, then its frames and requests. This side sends nothing on it
 * but answers.
 */
import type { NodeId } from "../../base/ids.ts";
import { unreachable } from "../../base/assert.ts";
import type { ErrorCode } from "../../base/errors.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import type { StreamConnection, StreamHandlers } from "../../ports/streams.ts";
import { WireError } from "../../wire/cursor.ts";
import type { PeerFrame, StreamPurpose } from "../../wire/peer-frame.ts";
import { commonVersion, protocolRange } from "../../wire/protocol-version.ts";
import type { Answer } from "./answers.ts";
import { PeerAnswers } from "./answers.ts";
import type { CloseKind } from "./connection.ts";
import { PeerConnection } from "./connection.ts";
import type { PeerNetworkCore } from "./core.ts";
import { frameLimit_bytes, PeerQueue } from "./queue.ts";

/** From the handshake to the greeting. */
const greetingTimeout_ms = 10_000;

/** The side that dialled asks first, and both know: two that ask each other wake each other twice as often. */
const askLater = 1.5;

export interface InboundEvents {
  /** The peer has greeted: false when it may not have this connection. */
  readonly greeted: (inbound: PeerInbound) => boolean;
  readonly data: (inbound: PeerInbound, payload: Uint8Array) => void;
  readonly answerOf: (inbound: PeerInbound, method: string) => Answer | undefined;
  readonly closed: (inbound: PeerInbound) => void;
  /** It ended without a word, after its greeting. */
  readonly gone?: (inbound: PeerInbound) => void;
}

export class PeerInbound {
  readonly node: NodeId;
  readonly remote: Address;
  readonly handlers: StreamHandlers;
  readonly #queue = new PeerQueue();
  readonly #connection: PeerConnection;
  readonly #answers: PeerAnswers;
  #since_ms: number;
  #purpose: StreamPurpose | undefined;
  #bootEpoch = 0;

  constructor(
    private readonly core: PeerNetworkCore,
    stream: StreamConnection,
    private readonly events: InboundEvents,
  ) {
    this.node = stream.peer;
    this.remote = stream.remote;
    this.#since_ms = core.clock.now_ms();
    const { keepAlive_ms } = core.timings;
    const ask_ms = askLater * keepAlive_ms;
    const connection = new PeerConnection(this.#queue, core.clock, core.counters, keepAlive_ms, ask_ms, {
      frame: (frame) => this.#frame(frame),
      closed: (kind, detail) => {
        this.#answers.close();
        core.closed(kind, `${this.node} (${formatAddress(this.remote)})`, detail);
        events.closed(this);
        if (kind === "lost" && this.#purpose !== undefined && this.#purpose !== "contact")
          events.gone?.(this);
      },
    });
    this.#connection = connection;
    this.#answers = new PeerAnswers({
      queue: this.#queue,
      clock: core.clock,
      budget: core.budget,
      answerOf: (method) => events.answerOf(this, method),
      control: (frame) => connection.control(frame),
      wake: () => connection.flushSoon(),
    });
    this.handlers = connection.handlers;
    connection.attach(stream);
  }

  /** Undefined before the greeting. */
  get purpose(): StreamPurpose | undefined {
    return this.#purpose;
  }

  get bootEpoch(): number {
    return this.#bootEpoch;
  }

  get queued_bytes(): number {
    return this.#queue.queued_bytes + this.#connection.buffered_bytes;
  }

  check(now_ms: number): void {
    if (this.#purpose === undefined && now_ms - this.#since_ms >= greetingTimeout_ms) {
      this.close("silent", "no greeting in time");
    } else this.#connection.check(now_ms);
  }

  /** This process did not run for so long. */
  forgive(slept_ms: number): void {
    this.#since_ms += slept_ms;
    this.#connection.forgive(slept_ms);
  }

  close(kind: CloseKind, detail: string): void {
    this.#connection.close(kind, detail);
  }

  /** Writes the answers that are ready, then closes. */
  finish(detail: string): void {
    if (this.#queue.empty && this.#purpose !== undefined && this.#purpose !== "contact")
      this.#connection.control({ kind: "goodbye", code: "unavailable", detail });
    this.#connection.finish("closed", detail);
  }

  #frame(frame: PeerFrame): void {
    if (this.#purpose === undefined) {
      if (frame.kind !== "hello") throw new WireError("a frame before the greeting");
      this.#greet(frame);
      return;
    }
    switch (frame.kind) {
      case "data":
        // The payload is a view of what the stream read: the handler gets bytes of its own.
        this.events.data(this, frame.payload.slice());
        break;
      case "request":
      case "request_chunk":
      case "cancel":
        this.#answers.frame(frame);
        break;
      case "ping":
        this.#connection.control({ kind: "pong" });
        break;
      case "pong":
        break;
      case "goodbye":
        this.close("refused", frame.detail);
        break;
      case "hello":
      case "welcome":
      case "response":
      case "response_chunk":
      case "failure":
        throw new WireError(`a ${frame.kind} frame from the side that dialled`);
      default:
        unreachable(frame);
    }
  }

  #greet(hello: Extract<PeerFrame, { kind: "hello" }>): void {
    if (hello.node !== this.node) {
      this.#refuse("wrong_peer", "wrong_key", "your certificate names another node than your greeting");
    } else if (commonVersion(protocolRange, hello.protocol) === undefined) {
      this.#refuse("version", "version_mismatch", versionsApart(hello.protocol));
      this.core.refused(`${this.node} (${formatAddress(this.remote)})`, versionsApart(hello.protocol));
    } else if (!this.core.serves(hello.purpose)) {
      this.#refuse("wrong_peer", "invalid_argument", `connections for ${hello.purpose} are not taken here`);
    } else {
      const refusal = this.#bootRefusal(hello);
      if (refusal !== null) {
        this.#refuse("wrong_peer", "conflict", refusal);
        return;
      }
      this.#purpose = hello.purpose;
      this.#bootEpoch = hello.bootEpoch;
      if (!this.events.greeted(this)) {
        this.#refuse("flooded", "too_many_requests", "too many connections of this kind");
        return;
      }
      this.#connection.control({ kind: "welcome", ...this.core.greeting() });
      this.#connection.greeted(frameLimit_bytes(hello.purpose === "bulk"));
    }
  }

  /** A first contact proves nothing yet: one who uses a member's name must not shut the member out. */
  #bootRefusal({ purpose, node, bootEpoch }: Extract<PeerFrame, { kind: "hello" }>): string | null {
    return purpose === "contact" ? null : this.core.bootRefusal(node, bootEpoch);
  }

  #refuse(kind: CloseKind, code: ErrorCode, detail: string): void {
    this.#connection.control({ kind: "goodbye", code, detail });
    this.#connection.finish(kind, detail);
  }
}

function versionsApart(theirs: { readonly lowest: number; readonly highest: number }): string {
  const { lowest, highest } = protocolRange;
  return `protocol versions ${theirs.lowest} to ${theirs.highest}, and this node speaks ${lowest} to ${highest}`;
}
