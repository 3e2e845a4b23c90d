/**
 * Lets a node in that runs and waits to be: this one contacts its address, learns which node is there and what keeps it
 * out, and has it join. Where its seeds are wrong or gone this is what they should have said. A node that is in a
 * cluster, and be it one of its own, is told so and left alone.
 */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { formatHostPort, type HostPort, isIpAddress, parseHostPort } from "../../base/host-port.ts";
import { type NodeId, quote } from "../../base/ids.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Address, formatAddress } from "../../ports/datagrams.ts";
import { WireError } from "../../wire/cursor.ts";
import { decodeHelloAnswer, encodeHello } from "../../wire/gossip-hello.ts";
import { encodeRecords } from "../../wire/gossip-records.ts";
import { briefTags } from "../../wire/gossip-tags.ts";
import { protocolRange } from "../../wire/protocol-version.ts";

const method = "cluster.join";
const contact_ms = 5_000;
const joined_ms = 15_000;
/** Members that the newcomer is told of: any one leads to all. */
const told_max = 8;

const joinRequest = v.strictObject({
  seeds: v.pipe(v.array(v.pipe(v.string(), v.maxLength(300))), v.minLength(1), v.maxLength(told_max)),
});

export interface NodeAddingOptions {
  readonly self: NodeId;
  readonly boot: number;
  readonly cluster: string;
  /** Null while this node is in no cluster itself. */
  readonly uuid: () => string | null;
  readonly membership: Pick<Membership, "members" | "member" | "join" | "subscribe">;
  readonly peers: Pick<Peers, "contact" | "request" | "handle" | "setAddress">;
  readonly resolve: (host: string) => Promise<string>;
  readonly clock: Clock;
}

export class NodeAdding {
  readonly #options: NodeAddingOptions;

  constructor(options: NodeAddingOptions) {
    this.#options = options;
    const { peers, membership, uuid, self } = options;
    peers.handle(method, async (body) => {
      const seeds = parseBody(joinRequest, body).seeds.map((text) => parseHostPort(text));
      if (uuid() !== null) throw new CaxtonError("conflict", `Node "${self}" is in a cluster already`);
      membership.join(seeds.filter(({ host }) => isIpAddress(host)));
      return jsonBody({});
    });
  }

  async add(given: HostPort): Promise<{ readonly node: NodeId; readonly address: string }> {
    const { self, membership, peers } = this.#options;
    const text = formatHostPort(given);
    const address = await this.#resolved(given);
    const { from: node, answer } = await this.#contact(address, text);
    if (node === self) throw new CaxtonError("conflict", `${text} is this node's own address`);
    if (answer.kind === "welcome") {
      // Of this cluster already, and perhaps forgotten here: then it is looked for as any lost member is.
      if (membership.member(node) === undefined) membership.join([address]);
      await this.#seen(node, text);
      return { node, address: formatAddress(address) };
    }
    if (answer.code !== "no_uuid") {
      throw new CaxtonError(
        "conflict",
        `Cannot add node ${quote(node)} at ${text}: ${answer.detail}. A node that is to be added is started with ` +
          "--join and this cluster's key, in an empty data directory",
      );
    }
    const alive = membership.members().filter(({ status }) => status === "alive");
    const others = alive.filter(({ id }) => id !== self).map((member) => member.address);
    const own = alive.filter(({ id }) => id === self).map((member) => member.address);
    const seeds = [...own, ...others].slice(0, told_max).map(formatAddress);
    peers.setAddress(node, address);
    await peers.request(node, method, jsonBody({ seeds }), { timeout_ms: contact_ms });
    await this.#seen(node, text);
    return { node, address: formatAddress(address) };
  }

  async #resolved({ host, port }: HostPort): Promise<Address> {
    if (isIpAddress(host)) return { host, port };
    try {
      return { host: await this.#options.resolve(host), port };
    } catch (error) {
      throw new CaxtonError("unreachable", `Cannot find host ${quote(host)}: ${reasonOf(error)}`);
    }
  }

  async #contact(address: Address, text: string) {
    const { self: node, boot, cluster, uuid, peers } = this.#options;
    const records = this.#introduction();
    const hello = encodeHello({ cluster, uuid: uuid(), node, boot, protocol: protocolRange, records });
    const found = await peers.contact(address, hello, contact_ms).catch((error: unknown) => {
      const code = error instanceof CaxtonError ? error.code : "internal";
      const advice =
        code === "conflict" ? "Start it under another name" : "Is it running, with this cluster's key?";
      throw new CaxtonError(code, `Cannot add the node at ${text}: ${reasonOf(error)}. ${advice}`, {
        cause: error,
      });
    });
    return { from: found.from, answer: this.#answerOf(found.from, found.reply) };
  }

  /** As gossip introduces this node. */
  #introduction(): Uint8Array {
    const { self, membership } = this.#options;
    const me = membership.member(self);
    if (me === undefined) throw new CaxtonError("unavailable", `Node "${self}" is in no cluster yet`);
    const incarnation = { boot: me.bootEpoch, counter: me.incarnation };
    const { address, tags } = me;
    return encodeRecords([{ kind: "alive", node: self, incarnation, address, tags: briefTags(tags) }]);
  }

  #answerOf(from: NodeId, reply: Uint8Array): ReturnType<typeof decodeHelloAnswer> {
    const member = this.#options.membership.member(from);
    if (member !== undefined && (member.status === "alive" || member.status === "suspect"))
      return { kind: "welcome", uuid: "", records: [] };
    try {
      return decodeHelloAnswer(reply);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new CaxtonError(
        "version_mismatch",
        `Node ${quote(from)} answers in a way that is not known here`,
      );
    }
  }

  #seen(node: NodeId, text: string): Promise<void> {
    const { membership, clock } = this.#options;
    const isThere = (): boolean => membership.member(node)?.status === "alive";
    return new Promise((resolve, reject) => {
      if (isThere()) return resolve();
      const timer = clock.after(joined_ms, () => {
        unsubscribe();
        const why = `it was told where this cluster is, and did not join within ${joined_ms} ms; its log says why`;
        reject(new CaxtonError("timeout", `Node ${quote(node)} at ${text} is not in yet: ${why}`));
      });
      const unsubscribe = membership.subscribe(() => {
        if (!isThere()) return;
        unsubscribe();
        timer.cancel();
        resolve();
      });
    });
  }
}
