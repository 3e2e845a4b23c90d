/**
 * What becomes of a write on a node that is cut off from the majority: kept and answered with 202, or refused with
 * the reason; and how a kept one is done later, by the same handler. Between the routes and their handlers.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { PartitionService, QueuedWriteView } from "../partition-service.ts";
import { type ApiContext, type Replay, replayOf } from "./request.ts";

/** How long a write waits for the replay of earlier ones before it is queued behind them. */
const turn_ms = 5_000;
const keptHeaders = ["content-type", "if-match", "if-none-match", "idempotency-key"] as const;

export type InMinority =
  /** It makes no sense later, or needs every node; `why` says which. */
  | { readonly kind: "refused"; readonly why: string }
  | {
      readonly kind: "queued";
      /** The largest body; 0 where there is none. */
      readonly body_bytes: number;
      /** What it is about. May read the body. */
      readonly subject: (c: ApiContext) => string | Promise<string>;
      /** The subject's version as this node knows it (0: none), without a quorum or with one. */
      readonly version?: (c: ApiContext, consistency: "local" | "linearizable") => Promise<number>;
      /** It was meant for the version that was there: another one refuses it as a conflict. */
      readonly strict?: boolean;
      /** Whether what is there at that version is what this write makes, for one that was begun and interrupted. */
      readonly isDone?: (c: ApiContext) => Promise<boolean>;
    };
type Queued = Extract<InMinority, { kind: "queued" }>;
type Go = () => Response | Promise<Response>;

export class MinorityWrites {
  constructor(private readonly partition: PartitionService) {}

  /** `check` reads and validates what came; `go` does it. */
  async pass(c: ApiContext, rule: InMinority, check: () => Promise<Uint8Array>, go: Go): Promise<Response> {
    const { partition } = this;
    const replay = replayOf(c);
    if (replay !== undefined)
      return await (rule.kind === "queued" ? this.#replay(c, rule, replay, go) : go());
    if (!partition.holdsWrites) {
      try {
        return await go();
      } catch (error) {
        // Nothing was proposed: it may be kept and done later.
        if (!(error instanceof CaxtonError) || error.code !== "no_quorum") throw error;
        await partition.settled();
        if (!partition.minority) throw error;
      }
    } else if (!partition.minority && (rule.kind === "refused" || (await partition.drained(turn_ms)))) {
      return await go();
    }
    if (rule.kind === "refused") {
      const detail = `This node is cut off from the majority, and this cannot wait in its queue: ${rule.why}`;
      throw new CaxtonError("no_quorum", detail);
    }
    return await this.#queue(c, rule, check);
  }

  async #queue(c: ApiContext, rule: Queued, check: () => Promise<Uint8Array>): Promise<Response> {
    const body = await check();
    const { principal, id } = c.var.request;
    if (principal === null) throw new CaxtonError("internal", "A write of nobody cannot be queued");
    const { url } = c.req.raw;
    const { pathname, search } = new URL(url);
    const headers: Record<string, string> = {};
    for (const name of keptHeaders) {
      const value = c.req.header(name);
      if (value !== undefined) headers[name] = value;
    }
    const kept = await this.partition.accept({
      method: c.req.method,
      path: `${pathname}${search}`,
      headers,
      body,
      principal,
      requestId: id,
      subject: await rule.subject(c),
      observed: (await rule.version?.(c, "local")) ?? null,
    });
    return Response.json(answerOf(kept), {
      status: 202,
      headers: { location: `/api/v1/cluster/partition/queued-writes/${kept.id}` },
    });
  }

  async #replay(c: ApiContext, rule: Queued, replay: Replay, go: Go): Promise<Response> {
    const { version } = rule;
    if (version === undefined) return await go();
    replay.before = await version(c, "linearizable");
    if (rule.strict === true && replay.before !== replay.expected) {
      if (replay.begun && (await rule.isDone?.(c)) === true) {
        replay.after = replay.before;
        return Response.json({ status: "applied" });
      }
      const detail = `it is at version ${replay.before}, and was at ${replay.expected ?? "none"} when this was queued`;
      throw new CaxtonError("conflict", `${await rule.subject(c)} has changed meanwhile: ${detail}`);
    }
    const response = await go();
    replay.after ??= await version(c, "linearizable");
    return response;
  }
}

function answerOf({ id, node, position }: QueuedWriteView): Readonly<Record<string, unknown>> {
  return {
    status: "queued",
    queued_write: id,
    node,
    position,
    detail:
      `Node "${node}" is cut off from the majority. The write is kept on its disk only, and is done when the ` +
      "partition has healed; what became of it: caxton cluster partition report",
  };
}
