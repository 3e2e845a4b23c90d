/**
 * The control log for every node, also one that keeps no state: a witness, or a node that takes no part yet, has
 * commands and queries carried out by another node. Everyone else goes to its own raft thread.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Consistency, ControlLog } from "../../control/control-client.ts";
import { commandLimit_bytes } from "../../wire/control-command.ts";
import { Reader, WireError, Writer } from "../../wire/cursor.ts";
import type { Consensus } from "./consensus.ts";
import type { Membership } from "../membership.ts";
import type { Peers } from "../peers/peers.ts";

/** What the way to the other node and back may take on top. */
const way_ms = 1_000;
const timeout_ms_max = 60_000;
const answerLimit_bytes = 8 * 1024 * 1024;

export interface ControlRelayOptions {
  readonly consensus: Pick<Consensus, "self" | "status" | "propose" | "read">;
  readonly peers: Pick<Peers, "request" | "handle">;
  readonly membership: Pick<Membership, "members">;
}

export class ControlRelay implements ControlLog {
  readonly #options: ControlRelayOptions;

  constructor(options: ControlRelayOptions) {
    this.#options = options;
    options.peers.handle("control.propose", (body) => this.#answerPropose(body));
    options.peers.handle("control.read", (body) => this.#answerRead(body));
  }

  async propose(
    command: Uint8Array,
    { timeout_ms }: { readonly timeout_ms: number },
  ): Promise<{ readonly index: number; readonly outcome: Uint8Array }> {
    const { consensus, peers } = this.#options;
    const other = this.#other();
    if (other === null) return await consensus.propose(command, { timeout_ms });
    const body = new Writer(command.length + 16).u32(Math.ceil(timeout_ms)).blob(command).finish();
    try {
      const answer = await peers.request(other, "control.propose", body, { timeout_ms: timeout_ms + way_ms });
      return readPair(answer, (index, outcome) => ({ index, outcome }));
    } catch (error) {
      throw lostOnTheWay(error, "outcome_unknown", other);
    }
  }

  async read(
    query: Uint8Array,
    { consistency, timeout_ms }: { readonly consistency: Consistency; readonly timeout_ms: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly appliedIndex: number }> {
    const { consensus, peers } = this.#options;
    const other = this.#other();
    if (other === null) return await consensus.read(query, { consistency, timeout_ms });
    const body = new Writer(query.length + 16).u32(Math.ceil(timeout_ms)).bool(consistency === "local");
    try {
      const request = body.blob(query).finish();
      const answer = await peers.request(other, "control.read", request, { timeout_ms: timeout_ms + way_ms });
      return readPair(answer, (appliedIndex, bytes) => ({ appliedIndex, bytes }));
    } catch (error) {
      throw lostOnTheWay(error, "no_quorum", other);
    }
  }

  /** Who is asked in this node's place; null when it can do so itself, or knows nobody. */
  #other(): NodeId | null {
    const { consensus, membership } = this.#options;
    const { self, standing, leader, members } = consensus.status();
    if (standing === "voter" || standing === "learner") return null;
    if (leader !== null && leader !== self) return leader;
    const alive = membership
      .members()
      .filter(({ id, status, tags }) => id !== self && status === "alive" && tags.raft !== undefined);
    const keeps = (node: NodeId): boolean =>
      members.length === 0 || members.some((member) => member.node === node && member.role !== "witness");
    return alive.find(({ id, tags }) => tags.raft?.role !== "witness" && keeps(id))?.id ?? null;
  }

  async #answerPropose(request: Uint8Array): Promise<Uint8Array> {
    const { timeout_ms, command } = readRequest(request, (reader) => ({
      timeout_ms: readTimeout(reader),
      command: reader.blob(commandLimit_bytes),
    }));
    const { index, outcome } = await this.#options.consensus.propose(command, { timeout_ms });
    return new Writer(outcome.length + 16).u64(index).blob(outcome).finish();
  }

  async #answerRead(request: Uint8Array): Promise<Uint8Array> {
    const { timeout_ms, local, query } = readRequest(request, (reader) => ({
      timeout_ms: readTimeout(reader),
      local: reader.bool(),
      query: reader.blob(64 * 1024),
    }));
    const consistency = local ? "local" : "linearizable";
    const { bytes, appliedIndex } = await this.#options.consensus.read(query, { consistency, timeout_ms });
    return new Writer(bytes.length + 16).u64(appliedIndex).blob(bytes).finish();
  }
}

function readTimeout(reader: Reader): number {
  return Math.min(timeout_ms_max, Math.max(1, reader.u32()));
}

function readRequest<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
  try {
    const reader = new Reader(bytes);
    const request = read(reader);
    reader.finish();
    return request;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new CaxtonError("invalid_argument", `Not a request about the control state: ${error.message}`);
  }
}

function readPair<T>(answer: Uint8Array, make: (index: number, bytes: Uint8Array) => T): T {
  const reader = new Reader(answer);
  const pair = make(reader.u64(), reader.blob(answerLimit_bytes));
  reader.finish();
  return pair;
}

/** A request that found no answer may have been carried out. What the other node refused is told as it is. */
function lostOnTheWay(error: unknown, code: "outcome_unknown" | "no_quorum", node: NodeId): unknown {
  if (!(error instanceof CaxtonError) || !["unreachable", "timeout"].includes(error.code)) return error;
  return new CaxtonError(
    code,
    `No answer from node "${node}", which decides for this one: ${error.message}`,
    {
      cause: error,
    },
  );
}
