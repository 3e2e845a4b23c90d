/**
 * This node's own connection to one peer and class: what it sends goes here and nowhere else, so order is
 * the order of one stream and two nodes that dial each other at once need no tie-break. Dials while something
 * is queued, with growing jittered waits; keeps what was not yet written over a lost connection.
 */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, reasonOf, type ErrorCode } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Timer } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { wasRefused } from "../../ports/streams.ts";
import { WireError } from "../../wire/cursor.ts";
import type { PeerFrame, StreamPurpose } from "../../wire/peer-frame.ts";
import { commonVersion, protocolRange } from "../../wire/protocol-version.ts";
import { PeerCalls } from "./calls.ts";
import type { CloseKind } from "./connection.ts";
import { PeerConnection } from "./connection.ts";
import type { PeerNetworkCore } from "./core.ts";
import { frameLimit_bytes, PeerQueue } from "./queue.ts";

const backoffFirst_ms = 100;
const backoffLongest_ms = 5_000;

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "dialling"; readonly connection: PeerConnection; readonly timer: Timer | undefined }
  | { readonly kind: "up"; readonly connection: PeerConnection }
  | { readonly kind: "waiting"; readonly timer: Timer }
  | { readonly kind: "closed" };

export interface OutboundEvents {
  readonly up: (peer: NodeId) => void;
  /** Only after `up`. */
  readonly down: (kind: CloseKind, detail: string) => void;
  /** The connection ended with no word, or was not accepted: of this life of the peer, when it had greeted. */
  readonly gone?: (bootEpoch: number | null) => void;
  /** Of a first contact: why whoever answers is not spoken to. */
  readonly refusal?: (node: NodeId, bootEpoch: number) => string | null;
}

export class PeerOutbound {
  readonly calls: PeerCalls;
  readonly #queue = new PeerQueue();
  /** For texts. */
  readonly #name: string;
  #state: State = { kind: "idle" };
  #failures = 0;
  #kept = false;
  #used_ms: number;
  #bootEpoch: number | null = null;

  constructor(
    private readonly core: PeerNetworkCore,
    readonly address: Address,
    private readonly purpose: StreamPurpose,
    /** Undefined on first contact: whoever answers there. */
    private readonly peer: NodeId | undefined,
    private readonly events: OutboundEvents,
  ) {
    this.#name = peer ?? formatAddress(address);
    this.#used_ms = core.clock.now_ms();
    const wake = (): void => this.#wake();
    this.calls = new PeerCalls(this.#name, this.#queue, core.clock, wake, (id) =>
      this.#control({ kind: "cancel", id }),
    );
  }

  get isUp(): boolean {
    return this.#state.kind === "up";
  }

  get queued_bytes(): number {
    return this.#queue.queued_bytes + (this.#state.kind === "up" ? this.#state.connection.buffered_bytes : 0);
  }

  /** False when the queue is full. */
  send(payload: Uint8Array): boolean {
    if (this.#state.kind === "closed" || !this.#queue.push({ kind: "data", payload })) return false;
    this.#used_ms = this.core.clock.now_ms();
    this.#wake();
    return true;
  }

  /** Stays connected from now on, or only while there is something to send. */
  keep(kept: boolean): void {
    this.#kept = kept;
    if (kept) this.#wake();
  }

  /** Not to be kept, and nothing was sent on it for so long. */
  isUnused(now_ms: number, for_ms: number): boolean {
    return !this.#kept && this.isIdle && now_ms - this.#used_ms >= for_ms;
  }

  /** Nothing waits or is asked: it may be closed without loss, and with a goodbye. */
  get isIdle(): boolean {
    return this.queued_bytes === 0 && this.#queue.empty && this.calls.waiting === 0;
  }

  check(now_ms: number): void {
    if (this.#state.kind === "up") this.#state.connection.check(now_ms);
  }

  /** This process did not run for so long. */
  forgive(slept_ms: number): void {
    if (this.#state.kind === "up") this.#state.connection.forgive(slept_ms);
  }

  /** The peer has restarted: its old connection is dead, whatever TCP thinks. */
  renew(detail: string): void {
    if (this.#state.kind === "up") this.#state.connection.close("superseded", detail);
  }

  /** For good. What is queued is written first when `flush` is true and the link is up. */
  close(detail: string, flush: boolean): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    this.#state = { kind: "closed" };
    if (state.kind === "waiting" || state.kind === "dialling") state.timer?.cancel();
    if (state.kind === "up" && flush) {
      // Overtakes what is queued, so only where nothing is; who closes without it gave a hint of its end.
      if (this.#queue.empty && this.peer !== undefined)
        state.connection.control({ kind: "goodbye", code: "unavailable", detail });
      state.connection.finish("closed", detail);
    } else if (state.kind === "up" || state.kind === "dialling") state.connection.close("closed", detail);
    this.calls.fail("unreachable", `Cannot reach "${this.#name}": ${detail}`);
    this.#queue.clear();
  }

  #wake(): void {
    if (this.#state.kind === "up") this.#state.connection.flushSoon();
    else if (this.#state.kind === "idle") this.#dial();
  }

  #control(frame: PeerFrame): void {
    if (this.#state.kind === "up") this.#state.connection.control(frame);
  }

  #dial(): void {
    const { core } = this;
    // For connecting and the TLS handshake; then as long again for the greeting.
    const dialTimeout_ms = core.timings.connect_ms;
    const { keepAlive_ms } = core.timings;
    const connection = new PeerConnection(
      this.#queue,
      core.clock,
      core.counters,
      keepAlive_ms,
      keepAlive_ms,
      {
        frame: (frame) => this.#frame(connection, frame),
        closed: (kind, detail) => this.#lost(connection, kind, detail),
      },
    );
    this.#queue.clearControl();
    this.#state = { kind: "dialling", connection, timer: undefined };
    const options = { timeout_ms: dialTimeout_ms, ...(this.peer === undefined ? {} : { expect: this.peer }) };
    core.streams.connect(this.address, core.identity(), options, connection.handlers).then(
      (stream) => {
        if (!this.#isDialling(connection)) {
          stream.destroy();
          return;
        }
        const timer = core.clock.after(dialTimeout_ms, () =>
          connection.close("silent", "no greeting in time"),
        );
        this.#state = { kind: "dialling", connection, timer };
        connection.control({ kind: "hello", purpose: this.purpose, ...core.greeting() });
        connection.attach(stream);
      },
      (error: unknown) => {
        if (!this.#isDialling(connection)) return;
        const code = error instanceof CaxtonError ? error.code : "unreachable";
        if (code === "wrong_key" || code === "wrong_cluster")
          core.refused(formatAddress(this.address), reasonOf(error));
        if (wasRefused(error)) this.events.gone?.(null);
        this.#failed(code, reasonOf(error));
      },
    );
  }

  #isDialling(connection: PeerConnection): boolean {
    return this.#state.kind === "dialling" && this.#state.connection === connection;
  }

  #frame(connection: PeerConnection, frame: PeerFrame): void {
    switch (frame.kind) {
      case "welcome":
        this.#welcomed(connection, frame);
        break;
      case "goodbye":
        connection.close("refused", frame.detail);
        break;
      case "ping":
        connection.control({ kind: "pong" });
        break;
      case "pong":
        break;
      case "response":
      case "response_chunk":
      case "failure":
        this.calls.frame(frame);
        break;
      case "hello":
      case "data":
      case "request":
      case "request_chunk":
      case "cancel":
        throw new WireError(`a ${frame.kind} frame from the side that was dialled`);
      default:
        unreachable(frame);
    }
  }

  #welcomed(connection: PeerConnection, frame: Extract<PeerFrame, { kind: "welcome" }>): void {
    const state = this.#state;
    if (state.kind !== "dialling" || state.connection !== connection) throw new WireError("a second welcome");
    if (commonVersion(protocolRange, frame.protocol) === undefined) {
      connection.close("version", "it speaks no protocol version that this node speaks");
      return;
    }
    const { node, bootEpoch } = frame;
    const refusal =
      node === connection.peer ? this.#refusal(node, bootEpoch) : "it is not the node that was dialled";
    if (refusal !== null) {
      connection.close("wrong_peer", refusal);
      return;
    }
    state.timer?.cancel();
    this.#state = { kind: "up", connection };
    this.#failures = 0;
    this.#bootEpoch = bootEpoch;
    connection.greeted(frameLimit_bytes(this.purpose === "bulk"));
    this.events.up(frame.node);
  }

  /** A first contact proves nothing yet, in either direction: one that uses a member's name must not shut the member out. */
  #refusal(node: NodeId, bootEpoch: number): string | null {
    if (this.purpose !== "contact") return this.core.bootRefusal(node, bootEpoch);
    return this.events.refusal?.(node, bootEpoch) ?? null;
  }

  /** A connection that existed has ended; called once for each. */
  #lost(connection: PeerConnection, kind: CloseKind, detail: string): void {
    const state = this.#state;
    if (state.kind === "closed" || !("connection" in state) || state.connection !== connection) return;
    this.core.closed(kind, this.#name, detail);
    if (state.kind === "dialling") state.timer?.cancel();
    const isRefused = kind === "wrong_peer" && this.purpose === "contact";
    const code = kind === "version" ? "version_mismatch" : isRefused ? "conflict" : "unreachable";
    this.#failed(code, `Lost the connection to "${this.#name}": ${detail}`);
    if (state.kind === "up") this.events.down(kind, detail);
    if (state.kind === "up" && kind === "lost") this.events.gone?.(this.#bootEpoch);
  }

  #failed(code: ErrorCode, detail: string): void {
    const longest_ms = this.core.timings.redial_ms ?? backoffLongest_ms;
    const wait_ms = Math.min(longest_ms, backoffFirst_ms * 2 ** this.#failures++);
    const timer = this.core.clock.after(wait_ms * (0.5 + 0.5 * this.core.prng.float()), () => {
      this.#state = { kind: "idle" };
      if (!this.#queue.empty || this.#kept) this.#wake();
    });
    this.#state = { kind: "waiting", timer };
    this.#queue.clearControl();
    this.calls.fail(code, detail);
  }
}
