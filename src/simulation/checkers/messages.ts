/** What was promised arrives or ends as a dead letter with a reason, and nothing overtakes within a lane. */
import { unreachable } from "../../base/assert.ts";
import type { MessageId } from "../../base/ids.ts";
import { messageRetry_ms, type MessageHappening } from "../messaging.ts";
import { nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

interface Sent {
  readonly lane: string;
  readonly number: number;
  readonly at_ms: number;
  promised: boolean;
}

/** Checks of links without progress and writes to the disk come on top of the time of trying. */
const slack_ms = 30_000;

export class MessagesEnd implements Checker {
  readonly name = "messages-end";
  readonly rule = "every accepted message is delivered or becomes a dead letter with a reason";
  checked = 0;
  /** Without an end so far, oldest first. */
  readonly #open = new Map<MessageId, Sent>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  message(happening: MessageHappening): void {
    switch (happening.kind) {
      case "sent":
        this.#open.set(happening.id, { ...happening, at_ms: this.scene.now(), promised: false });
        return;
      case "promised": {
        const sent = this.#open.get(happening.id);
        if (sent) sent.promised = true;
        return;
      }
      case "refused":
      case "taken":
      case "dead":
        if (this.#open.delete(happening.id)) this.checked++;
        return;
      case "unrecorded":
        return;
      default:
        unreachable(happening);
    }
  }

  second(): void {
    const { truth, nodes } = this.scene;
    const long_ms = messageRetry_ms + slack_ms;
    if (truth.quiet_ms() < long_ms) return;
    for (const [id, { lane, number, at_ms, promised }] of this.#open) {
      if (this.scene.now() - at_ms < long_ms) return;
      this.#open.delete(id);
      const sender = nodes.find(({ index }) => lane.startsWith(`${nodeName(index)}-`));
      const goesAgain = sender?.disk.outbox.has(id) === true;
      // Kept by a node that is down, or that could not write down its end, it goes again with the next start.
      if (!promised || (goesAgain && (truth.up[sender.index] === 0 || sender.unrecorded))) continue;
      const where = lane.replaceAll("\n", " to ");
      this.broken(`message ${number} of ${where} vanished: neither delivered nor a dead letter`);
      return;
    }
  }
}

export class MessageOrder implements Checker {
  readonly name = "message-order";
  readonly rule = "an agent takes each message once, in the order of sender, receiver and conversation";
  checked = 0;
  readonly #sent = new Map<MessageId, { readonly lane: string; readonly number: number }>();
  readonly #taken = new Set<MessageId>();
  readonly #last = new Map<string, number>();

  constructor(
    _scene: Scene,
    private readonly broken: Broken,
  ) {}

  message(happening: MessageHappening): void {
    if (happening.kind === "sent") this.#sent.set(happening.id, happening);
    if (happening.kind !== "taken") return;
    const sent = this.#sent.get(happening.id);
    if (!sent) return;
    this.checked++;
    const { lane, number } = sent;
    const [last, where] = [this.#last.get(lane) ?? -1, lane.replaceAll("\n", " to ")];
    if (this.#taken.has(happening.id)) this.broken(`message ${number} of ${where} was taken twice`);
    else if (number < last) this.broken(`message ${number} of ${where} was taken after ${last}`);
    this.#taken.add(happening.id);
    this.#last.set(lane, Math.max(last, number));
  }
}
