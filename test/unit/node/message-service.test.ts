/** Clients' messages at one node: identity, replies, and what an idempotency key promises. */
import { describe, expect, test } from "vitest";
import type { SendRequest } from "../../../src/api/services.ts";
import type { MessageId, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { ReplyWaiters } from "../../../src/messaging/reply-waiters.ts";
import { Router, routerLimit_bytes, routerLimit_messages } from "../../../src/messaging/router.ts";
import { failureNotice } from "../../../src/node/events/failure-notice.ts";
import { NodeMessages } from "../../../src/node/message-service.ts";
import { messageIdentityKey } from "../../../src/security/client-identity.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import type { Store } from "../../../src/store/store.ts";
import { decodeUtf8, encodeUtf8 } from "../../../src/wire/cursor.ts";
import { decodeMessage, encodeMessage, type Message } from "../../../src/wire/message.ts";
import { MembershipTable } from "../../support/membership-table.ts";
import { MemoryPeersNetwork } from "../../support/memory-peers.ts";
import { testMessage, testMessageId } from "../../support/messages.ts";

const self = "node-1" as NodeId;

/** A node whose agents answer each message with "reply to CONTENT", unless told to be silent. */
class ClientsNode {
  readonly clock = new VirtualClock();
  readonly membership = new MembershipTable(self);
  readonly handled: Message[] = [];
  readonly messages: NodeMessages;
  readonly router: Router;
  silent = false;
  /** Each message traps its agent. */
  traps = false;
  #ids = 0;

  constructor(secret = 7) {
    const { clock, membership } = this;
    const network = new MemoryPeersNetwork(clock);
    const store = { append: () => Promise.resolve() } as Pick<Store, "append"> as Store;
    const router = new Router({
      self,
      session: 1,
      clock,
      prng: new Prng(1),
      membership,
      peers: network.join(self),
      store,
      local: {
        deliver: (bytes, done) => {
          const message = decodeMessage(bytes);
          this.handled.push(message);
          done("accepted");
          if (this.traps) this.#notify(message);
          else if (!this.silent) this.#reply(message);
        },
      },
      clients: { deliver: (address, bytes) => this.messages.deliver(address, bytes) },
      deadLettered: () => {},
      failed: () => {},
    });
    this.router = router;
    this.messages = new NodeMessages({
      self,
      clock,
      router: () => router,
      membership,
      nodeKnown: (node) => membership.member(node) !== undefined,
      store,
      waiters: new ReplyWaiters(clock),
      contentLimit_bytes: 1_000,
      retry_ms: 60_000,
      newMessageId: () => testMessageId(1_000 + this.#ids++),
      secret: messageIdentityKey(new Uint8Array(32).fill(secret)),
      failed: () => {},
    });
    membership.host("bob", self);
    membership.host("carol", self);
  }

  /** The text of the reply, or the code of the refusal. */
  async ask(
    content: string,
    key: string | null,
    options: Partial<Omit<Message, "content">> = {},
    principal = "alice",
  ) {
    const sent = this.#send(content, options, { wait_ms: 5_000, idempotencyKey: key, principal });
    return await this.#settled(
      sent.then(
        ({ messageId, reply }) => ({ messageId, text: reply === null ? "" : decodeUtf8(reply.content) }),
        (error: { readonly code: string }) => ({ messageId: "" as MessageId, text: error.code }),
      ),
    );
  }

  /** What became of a message whose sender waits for no reply, or the code of the refusal. */
  async send(content: string, options: Partial<Omit<Message, "content">>): Promise<string> {
    const sent = this.#send(content, options, { wait_ms: null, idempotencyKey: null, principal: "alice" });
    return await this.#settled(
      sent.then(
        ({ status }) => status,
        (error: { readonly code: string }) => error.code,
      ),
    );
  }

  #send(
    content: string,
    options: Partial<Omit<Message, "content">>,
    how: Omit<SendRequest, "message">,
  ): ReturnType<NodeMessages["send"]> {
    const message = {
      ...testMessage(1, options),
      sender: "",
      conversationId: "",
      createdAt_ms: this.clock.wall_ms(),
      content: encodeUtf8(content),
    };
    return this.messages.send({ message, ...how });
  }

  /** Time goes on, where nobody answers, until `answered` is settled. */
  async #settled<T>(answered: Promise<T>): Promise<T> {
    let settled = false;
    void answered.then(() => (settled = true));
    while (!settled) {
      await new Promise((resolve) => setImmediate(resolve));
      if (!settled && this.clock.next_ms() !== undefined && this.silent) this.clock.step();
    }
    return await answered;
  }

  #notify(message: Message): void {
    const why = { reason: "trap:unreachable", detail: "" };
    const identity = { messageId: testMessageId(3), self, now_ms: 0 };
    const notice = failureNotice(message, why, identity);
    if (notice === null) throw new Error("a client is told");
    this.messages.deliver(message.sender.slice(0, message.sender.lastIndexOf("@")), encodeMessage(notice));
  }

  #reply(message: Message): void {
    const reply = encodeMessage({
      ...testMessage(2),
      sender: message.receiver,
      receiver: message.sender,
      content: encodeUtf8(`reply to ${decodeUtf8(message.content)}`),
    });
    this.messages.deliver(message.sender.slice(0, message.sender.lastIndexOf("@")), reply);
  }
}

describe("messages of clients", () => {
  test("get an id, a return address with the client's name, and the reply", async () => {
    const node = new ClientsNode();
    const { messageId, text } = await node.ask("hello", null);
    expect(text).toBe("reply to hello");
    expect(node.handled[0]).toMatchObject({ messageId, conversationId: messageId, replyWith: messageId });
    expect(node.handled[0]?.sender).toBe(`~alice.${messageId.replaceAll("-", "")}@node-1`);
  });

  test("without a reply in time the client is told so, and that the message counts", async () => {
    const node = new ClientsNode();
    node.silent = true;
    expect((await node.ask("hello", null)).text).toBe("timeout");
    expect(node.handled).toHaveLength(1);
  });

  test("whose message traps the agent is told at once", async () => {
    const node = new ClientsNode();
    node.traps = true;
    expect((await node.ask("hello", "k")).text).toBe("agent_failed");
    expect((await node.ask("hello", "k")).text).toBe("agent_failed");
    expect(node.clock.now_ms()).toBe(0);
  });

  test("a node that was never there is not found; one that is down keeps the message queued", async () => {
    const node = new ClientsNode();
    node.silent = true;
    expect((await node.ask("hello", null, { receiver: "bob@nope" })).text).toBe("node_not_found");
    node.membership.setStatus("node-2" as NodeId, "failed");
    const queued = await node.send("hello", { receiver: "bob@node-2" });
    expect(queued).toBe("queued");
  });

  test("are refused while the node has as much under way as it may, and taken again after", async () => {
    const node = new ClientsNode();
    const small = encodeMessage(testMessage(5, { receiver: "nobody" }));
    const options = { durable: false, retry_ms: 1_000, deadLetter: false, done: () => undefined };
    for (let n = 0; n < routerLimit_messages; n++) node.router.submit(small, options);
    expect((await node.ask("hello", null)).text).toBe("queue_full");
    expect(node.handled).toEqual([]);
    while (node.router.full) node.clock.step();
    expect((await node.ask("hello", null)).text).toBe("reply to hello");
  });

  test("count by their bytes, too", async () => {
    const node = new ClientsNode();
    const large = encodeMessage(testMessage(5, { receiver: "nobody", content: "x".repeat(9_000_000) }));
    const options = { durable: false, retry_ms: 1_000, deadLetter: false, done: () => undefined };
    for (let n = 0; n * large.length < routerLimit_bytes; n++) node.router.submit(large, options);
    expect((await node.ask("hello", null)).text).toBe("queue_full");
  });

  test("a client that waits is answered when the node stops", async () => {
    const node = new ClientsNode();
    node.silent = true;
    const answered = node.ask("hello", null);
    node.messages.endWaits();
    expect((await answered).text).toBe("unavailable");
  });

  test("a retry under the same key is the same message and gets the same reply", async () => {
    const node = new ClientsNode();
    const first = await node.ask("hello", "k");
    node.silent = true;
    expect(await node.ask("hello", "k", { traceContext: "another" })).toEqual(first);
    expect(await node.ask("hello", null)).not.toEqual(first);
  });

  test("a key that was used for another message is refused, and nothing is sent", async () => {
    const node = new ClientsNode();
    await node.ask("hello", "k");
    expect((await node.ask("other", "k")).text).toBe("conflict");
    expect((await node.ask("hello", "k", { receiver: "carol" })).text).toBe("conflict");
    expect(node.handled).toHaveLength(1);
    expect((await node.ask("other", "k", {}, "mallory")).text).toBe("reply to other");
  });

  test("under a key have the same id at every node of the cluster, and one that no other cluster can tell", async () => {
    const { messageId } = await new ClientsNode().ask("hello", "k");
    expect((await new ClientsNode().ask("hello", "k")).messageId).toBe(messageId);
    expect((await new ClientsNode(8).ask("hello", "k")).messageId).not.toBe(messageId);
  });

  test("do not go to clients, nor have others' answers sent there", async () => {
    const node = new ClientsNode();
    const { messageId } = await node.ask("hello", "k");
    const address = `~alice.${messageId.replaceAll("-", "")}@node-1`;
    node.handled.length = 0;
    expect((await node.ask("forged", null, { receiver: address }, "mallory")).text).toBe("forbidden");
    expect((await node.ask("forged", null, { receiver: address })).text).toBe("forbidden");
    expect((await node.ask("forged", null, { replyTo: address }, "mallory")).text).toBe("forbidden");
    expect(node.handled).toEqual([]);
    expect((await node.ask("hello", null, { replyTo: address })).text).toBe("reply to hello");
    expect((await node.ask("hello", null, { replyTo: "carol" }, "mallory")).text).toBe("reply to hello");
  });

  test("a key whose message was refused is free again", async () => {
    const node = new ClientsNode();
    const patient = { delivery: "at_most_once" } as const;
    node.silent = true;
    expect((await node.ask("hello", "k", { receiver: "nobody", ...patient })).text).toBe("agent_not_found");
    node.silent = false;
    expect((await node.ask("hello", "k", patient)).text).toBe("reply to hello");
  });
});
