/**
 * Messages in one life of a simulated node: the real router and links over simulated streams, fed by the real
 * driver's reports. Stands for what is around them: agents that take what they get once, and a disk.
 */
import type { AgentName, MessageId, NodeId } from "../base/ids.ts";
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { MembershipTables } from "../cluster/gossip/tables.ts";
import type { MembershipEvent } from "../cluster/membership.ts";
import type { PeerFrame, Peers } from "../cluster/peers/peers.ts";
import { MessageIds } from "../messaging/outgoing-message.ts";
import { Router } from "../messaging/router.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import type { JournalRecord } from "../wire/journal-record.ts";
import { encodeMessage, messageIdOf, plainMessage, receiverOf } from "../wire/message.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { Disk } from "./disk.ts";
import { generatorOf } from "./generator.ts";
import type { Host } from "./host.ts";

/** What became of one message, for the checkers. `lane` is sender, receiver and conversation; `number` counts in it. */
export type MessageHappening =
  | { readonly kind: "sent"; readonly id: MessageId; readonly lane: string; readonly number: number }
  /** It is on the sender's disk: from now on it may not vanish. */
  | { readonly kind: "promised"; readonly id: MessageId }
  /** Its sender was told that it was not delivered, and nothing was promised. */
  | { readonly kind: "refused"; readonly id: MessageId }
  | { readonly kind: "taken"; readonly id: MessageId }
  | { readonly kind: "dead"; readonly id: MessageId; readonly reason: string }
  /** The node could not write down what became of it: it goes again after the next start. */
  | { readonly kind: "unrecorded"; readonly node: number };

export interface MessagingWorld {
  readonly seed: number;
  readonly index: number;
  readonly self: NodeId;
  readonly boot: number;
  readonly host: Host;
  readonly disk: Disk;
  readonly hosts: (agent: AgentName) => boolean;
  readonly send: (to: NodeId, bytes: Uint8Array) => boolean;
  readonly told: (happening: MessageHappening) => void;
  /** Resolved promises run before the world goes on. */
  readonly busy: () => void;
}

/** How long a promised message is tried. */
export const messageRetry_ms = 20_000;
const firstTry_ms = 2_000;
const conversations = 3;

export class SimulatedMessaging {
  readonly #tables = new MembershipTables();
  readonly #listeners = new Set<(event: MembershipEvent) => void>();
  readonly #router: Router;
  readonly #ids: MessageIds;
  /** On their way to the disk. */
  readonly #taking = new Map<MessageId, Promise<void>>();
  #frame: (frame: PeerFrame) => void = () => {};
  #link: Parameters<Peers["onLink"]>[0] = () => {};

  constructor(private readonly world: MessagingWorld) {
    const { seed, index, self, boot, host, disk } = world;
    this.#ids = new MessageIds(generatorOf(seed, `message ids of ${index} ${boot}`));
    this.#router = new Router({
      self,
      session: boot,
      clock: {
        now_ms: () => host.now_ms(),
        wall_ms: () => host.wall_ms(),
        after: (delay_ms, callback) =>
          host.after(delay_ms, () => {
            world.busy();
            callback();
          }),
      },
      prng: generatorOf(seed, `router of ${index} ${boot}`),
      membership: {
        member: (id) => this.#tables.member(id),
        locate: (agent) => this.#tables.locate(agent),
        subscribe: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      peers: {
        send: (to, _kind, bytes) => world.send(to, bytes),
        onFrame: (_kind, handler) => void (this.#frame = handler),
        onLink: (handler) => void (this.#link = handler),
      },
      store: { append: (records) => this.#append(disk, records) },
      local: { deliver: (message, done) => this.#deliver(message, done) },
      clients: { deliver: () => {} },
      deadLettered: () => {},
      failed: () => world.told({ kind: "unrecorded", node: index }),
    });
  }

  /** What this node promised before it ended goes again. */
  begin(): void {
    for (const message of [...this.world.disk.outbox.values()])
      this.#router.submit(message, {
        durable: true,
        retry_ms: messageRetry_ms,
        deadLetter: true,
        done: () => {},
      });
  }

  reported(report: GossipReport): void {
    if (report.kind === "member") {
      this.#tables.put(report.member);
      this.#tell({ kind: report.event, member: report.member, reason: report.reason });
    } else if (report.kind === "forgotten") {
      this.#tables.forget(report.member.id);
      this.#tell({ kind: "left", member: report.member, reason: report.reason });
    } else if (report.kind === "directory") {
      this.#tables.change(report.difference);
      this.#tell({ kind: "directory", ...report.difference });
    }
  }

  /** One message from an agent here; `number` is the next of its lane. */
  submit(sender: string, receiver: string, conversation: number, lane: string, number: number): void {
    const { host, told } = this.world;
    const said = plainMessage({
      messageId: "00000000-0000-7000-8000-000000000000" as MessageId,
      performative: "inform",
      createdAt_ms: host.wall_ms(),
      sender,
      receiver,
      conversationId: `c${conversation % conversations}`,
      content: encodeUtf8(`${number}`),
    });
    const message = encodeMessage(said);
    this.#ids.stamp(message, host.wall_ms());
    const id = messageIdOf(message);
    this.world.busy();
    const options = { durable: false, retry_ms: firstTry_ms, deadLetter: false, done: () => {} };
    told({ kind: "sent", id, lane, number });
    const refused = (): void => told({ kind: "refused", id });
    this.#router
      .submit(message, options)
      .queue(messageRetry_ms)
      .then((outcome) => {
        if (outcome !== undefined && outcome !== "accepted") refused();
      }, refused);
  }

  frame(from: NodeId, bytes: Uint8Array): void {
    this.world.busy();
    this.#frame({ from, bytes });
  }

  linkDown(node: NodeId): void {
    this.world.busy();
    this.#link({ node, kind: "message", state: "down", reason: "connection lost" });
  }

  close(): void {
    this.#router.close();
  }

  #append(disk: Disk, records: readonly JournalRecord[]): Promise<void> {
    return disk.append(records, (record) => {
      this.world.busy();
      if (record.kind === "outbox") this.world.told({ kind: "promised", id: messageIdOf(record.message) });
      if (record.kind === "dead")
        this.world.told({ kind: "dead", id: messageIdOf(record.message), reason: record.reason });
    });
  }

  /** Its agents are durable: taken when it is on the disk, and once. */
  #deliver(message: Uint8Array, settle: (outcome: Outcome) => void): void {
    const { disk, told } = this.world;
    const agent = receiverOf(message) as AgentName;
    if (!this.world.hosts(agent)) {
      settle("unknown_agent");
      return;
    }
    const id = messageIdOf(message);
    if (disk.taken.has(id)) {
      settle("accepted");
      return;
    }
    const record: JournalRecord = { kind: "accepted", agent, message };
    const taking =
      this.#taking.get(id) ??
      disk.append([record], () => {
        this.world.busy();
        this.#taking.delete(id);
        told({ kind: "taken", id });
      });
    this.#taking.set(id, taking);
    taking.then(
      () => settle("accepted"),
      () => {
        this.#taking.delete(id);
        settle("storage_failed");
      },
    );
  }

  #tell(event: MembershipEvent): void {
    this.world.busy();
    for (const listener of this.#listeners) listener(event);
  }
}
