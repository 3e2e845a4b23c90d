/**
 * Stopping and starting the whole cluster by one command. A node that is told to stop says yes first, then closes its
 * intake and its databases; what goes on in its process is stopped-node.ts, which knows the others by the list that is
 * written down here.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { NodeAnswer } from "../../api/operator-service.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StoppedPeer } from "./stopped-marker.ts";

export const stopMethod = "operator.stop";
export const startMethod = "operator.start";
const ask_ms = 3_000;
/** The answer of the order has left by then. */
const begin_ms = 250;
const empty = v.strictObject({});

export interface ClusterStoppingOptions {
  readonly self: NodeId;
  readonly membership: Pick<Membership, "members">;
  readonly peers: Pick<Peers, "request" | "handle" | "setAddress">;
  readonly clock: Clock;
  /** Closes intake and databases of this node, and remembers the others. */
  readonly stop: (others: readonly StoppedPeer[]) => void;
}

export class ClusterStopping {
  readonly #options: ClusterStoppingOptions;
  #stopping = false;

  constructor(options: ClusterStoppingOptions) {
    this.#options = options;
    options.peers.handle(stopMethod, async (body) => {
      parseBody(empty, body);
      this.#begin();
      return jsonBody({});
    });
    // It runs: what it was asked for is so.
    options.peers.handle(startMethod, async (body) => {
      parseBody(empty, body);
      return jsonBody({});
    });
  }

  async stopAll(): Promise<readonly NodeAnswer[]> {
    const answers = await this.#tell(stopMethod, "it is not reached; it stays as it is");
    this.#begin();
    return [{ node: this.#options.self, ok: true, detail: "" }, ...answers];
  }

  /** Those that are stopped, as far as this node, which runs, knows of them. */
  async startAll(): Promise<readonly NodeAnswer[]> {
    const answers = await this.#tell(startMethod, "it is not reached");
    return [{ node: this.#options.self, ok: true, detail: "it runs" }, ...answers];
  }

  async #tell(method: string, unreached: string): Promise<readonly NodeAnswer[]> {
    const { self, membership, peers } = this.#options;
    const others = membership
      .members()
      .filter(({ id, status }) => id !== self && (status !== "left" || method === startMethod));
    return await Promise.all(
      others.map(async ({ id: node, status, address }) => {
        if (status === "failed" && method === stopMethod) return { node, ok: false, detail: unreached };
        // Who has left has no address here any more.
        if (status === "left" || status === "failed") peers.setAddress(node, address);
        try {
          await peers.request(node, method, jsonBody({}), { timeout_ms: ask_ms });
          return { node, ok: true, detail: "" };
        } catch (error) {
          if (!(error instanceof CaxtonError)) throw error;
          return { node, ok: false, detail: reasonOf(error) };
        }
      }),
    );
  }

  #begin(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    const { self, membership, clock, stop } = this.#options;
    const others = membership
      .members()
      .filter(({ id, status }) => id !== self && status !== "left")
      .map(({ id: node, address }) => ({ node, address }));
    clock.after(begin_ms, () => stop(others));
  }
}
