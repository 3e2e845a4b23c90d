/** What each node uses of its machine: processor, memory and agents as gossip tells, disk and network as it says itself. */
import { statfs } from "node:fs/promises";
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import type { NodeResources } from "../../api/operator-service.ts";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Member, Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";

const method = "operator.resources";
const ask_ms = 2_000;
const size = v.pipe(v.number(), v.minValue(0));
const ownSchema = v.strictObject({
  disk: v.strictObject({ used_bytes: size, total_bytes: size }),
  network: v.strictObject({ sent_bytes: size, received_bytes: size }),
});
type Own = v.InferOutput<typeof ownSchema>;

export interface ResourcesOptions {
  readonly self: NodeId;
  readonly dataDirectory: string;
  readonly membership: Pick<Membership, "members" | "stats">;
  readonly peers: Pick<Peers, "request" | "handle" | "stats">;
}

export class ClusterResources {
  constructor(private readonly options: ResourcesOptions) {
    options.peers.handle(method, async () => jsonBody(await this.#own()));
  }

  /** Of every node that has not left. */
  async all(): Promise<readonly NodeResources[]> {
    const members = this.options.membership.members().filter(({ status }) => status !== "left");
    return await Promise.all(members.map((member) => this.#of(member)));
  }

  async #of({ id: node, status, load }: Member): Promise<NodeResources> {
    const { cpu_percent, memory_bytes, agents } = load;
    const told = { node, cpu_percent, memory_bytes, agents };
    if (status === "failed") return { ...told, disk: null, network: null, detail: "it is not reached" };
    try {
      const { self, peers } = this.options;
      if (node === self) return { ...told, ...(await this.#own()), detail: "" };
      const answer = await peers.request(node, method, jsonBody({}), { timeout_ms: ask_ms });
      return { ...told, ...parseBody(ownSchema, answer), detail: "" };
    } catch (error) {
      return { ...told, disk: null, network: null, detail: reasonOf(error) };
    }
  }

  async #own(): Promise<Own> {
    const { dataDirectory, membership, peers } = this.options;
    const [{ bsize, blocks, bavail }, gossip] = await Promise.all([
      statfs(dataDirectory),
      membership.stats(),
    ]);
    const streams = peers.stats();
    const total_bytes = bsize * blocks;
    return {
      disk: { used_bytes: Math.max(0, total_bytes - bsize * bavail), total_bytes },
      network: {
        sent_bytes: gossip.bytesSent + streams.bytesSent,
        received_bytes: gossip.bytesReceived + streams.bytesReceived,
      },
    };
  }
}
