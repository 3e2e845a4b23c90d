/** Asks a node what its own replica of the control state holds, this one or another: always `local`, never by quorum. */
import { WireError, Reader, Writer, decodeUtf8, encodeUtf8 } from "../../wire/cursor.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { controlQueries } from "../../wire/control-kinds.ts";
import { encodeControlQuery } from "../../wire/control-command.ts";
import {
  type ControlHash,
  type RowDigest,
  type SectionCheck,
  type SectionWalk,
  decodeControlHash,
  decodeRowDigests,
  decodeSectionCheck,
  encodeSectionWalk,
} from "../../wire/control-hash.ts";
import type { Consensus } from "./consensus.ts";
import type { LogInspection } from "./log-inspection.ts";
import type { Peers } from "../peers/peers.ts";

const ask_ms = 5_000;
/** Of what another node says, shown to people. */
const detailLimit = 500;
/** The queries that another node may ask: hashes, no contents. */
const allowed: ReadonlySet<number> = new Set([
  controlQueries.hash,
  controlQueries.mark,
  controlQueries.sectionWalk,
  controlQueries.sectionCheck,
  controlQueries.fileCheck,
]);

export interface ReplicaHealth {
  readonly applied: number;
  /** Why it applies nothing more, or takes no part; null when all is well. */
  readonly trouble: string | null;
}

export class ReplicaQueries {
  readonly #consensus: Consensus;
  readonly #peers: Pick<Peers, "request">;

  constructor(consensus: Consensus, peers: Pick<Peers, "request" | "handle">) {
    this.#consensus = consensus;
    this.#peers = peers;
    peers.handle("control.replica", (body) => this.#answer(body));
    peers.handle("control.inspect", async (body) => {
      const from = Number(decodeUtf8(body));
      if (!Number.isSafeInteger(from) || from < 0)
        throw new CaxtonError("invalid_argument", "Not a place in a log");
      return encodeUtf8(JSON.stringify(await this.#consensus.inspect(from, { timeout_ms: ask_ms })));
    });
    peers.handle("control.health", async () => encodeUtf8(JSON.stringify(await this.#ownHealth())));
  }

  async hash(node: NodeId): Promise<ControlHash> {
    return decodeControlHash(await this.#ask(node, controlQueries.hash, new Uint8Array()));
  }

  /** Throws `not_found` while the node has not come so far. */
  async mark(node: NodeId, index: number): Promise<ControlHash> {
    return decodeControlHash(await this.#ask(node, controlQueries.mark, new Writer().u64(index).finish()));
  }

  async walk(node: NodeId, walk: SectionWalk): Promise<readonly RowDigest[]> {
    return decodeRowDigests(await this.#ask(node, controlQueries.sectionWalk, encodeSectionWalk(walk)));
  }

  async check(node: NodeId, walk: SectionWalk): Promise<SectionCheck> {
    return decodeSectionCheck(await this.#ask(node, controlQueries.sectionCheck, encodeSectionWalk(walk)));
  }

  /** What is wrong with the structure of the state's file; null where nothing is. */
  async fileDamage(node: NodeId): Promise<string | null> {
    const damage = decodeUtf8(await this.#ask(node, controlQueries.fileCheck, new Uint8Array()));
    return damage === "" ? null : damage.slice(0, detailLimit);
  }

  /** A slice of a node's Raft log, read anew. */
  async inspect(node: NodeId, from: number): Promise<LogInspection> {
    if (node === this.#consensus.self) return await this.#consensus.inspect(from, { timeout_ms: ask_ms });
    const answer = await this.#peers.request(node, "control.inspect", encodeUtf8(String(from)), {
      timeout_ms: ask_ms,
    });
    const { compacted, applied, commit, last, checked, next, damage } = JSON.parse(
      decodeUtf8(answer),
    ) as Partial<LogInspection>;
    return {
      compacted: Number(compacted),
      applied: Number(applied),
      commit: Number(commit),
      last: Number(last),
      checked: Number(checked),
      next: typeof next === "number" && next > from ? next : null,
      damage: typeof damage === "string" ? damage.slice(0, detailLimit) : null,
    };
  }

  async health(node: NodeId): Promise<ReplicaHealth> {
    if (node === this.#consensus.self) return await this.#ownHealth();
    const answer = await this.#peers.request(node, "control.health", new Uint8Array(), {
      timeout_ms: ask_ms,
    });
    const { applied, trouble } = JSON.parse(decodeUtf8(answer)) as Partial<ReplicaHealth>;
    return {
      applied: Number(applied),
      trouble: typeof trouble === "string" ? trouble.slice(0, detailLimit) : null,
    };
  }

  async #ask(node: NodeId, kind: number, body: Uint8Array): Promise<Uint8Array> {
    if (node === this.#consensus.self) return await this.#own(kind, body);
    const request = new Writer(body.length + 8).u16(kind).blob(body).finish();
    return await this.#peers.request(node, "control.replica", request, { timeout_ms: ask_ms });
  }

  async #answer(request: Uint8Array): Promise<Uint8Array> {
    try {
      const reader = new Reader(request);
      const kind = reader.u16();
      const body = reader.blob(4 * 1024);
      reader.finish();
      if (allowed.has(kind)) return await this.#own(kind, body);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
    throw new CaxtonError("invalid_argument", "Not a query about a replica's hashes");
  }

  async #own(kind: number, body: Uint8Array): Promise<Uint8Array> {
    const options = { consistency: "local", timeout_ms: ask_ms } as const;
    return (await this.#consensus.read(encodeControlQuery(kind, body), options)).bytes;
  }

  async #ownHealth(): Promise<ReplicaHealth> {
    const { trouble } = this.#consensus.status();
    const { state, halted } = await this.#consensus.check({ timeout_ms: ask_ms });
    const halt = halted === null ? null : `stopped before entry ${halted.index}: ${halted.reason}`;
    return { applied: state.index, trouble: halt ?? trouble };
  }
}
