/** What the store must hold after a sequence of records, written as simply as it can be said. */
import type { AgentName, MessageId } from "../../src/base/ids.ts";
import type { JournalRecord } from "../../src/wire/journal-record.ts";
import { messageIdOf, receiverOf } from "../../src/wire/message.ts";

interface AgentModel {
  readonly inbox: Map<MessageId, Uint8Array>;
  readonly state: Map<string, Uint8Array>;
  readonly timers: Map<number, number>;
  readonly handled: MessageId[];
  saved: Uint8Array | undefined;
}

/** Comparable with `toEqual`: bytes as hexadecimal text. */
export interface StorePicture {
  readonly agents: Readonly<Record<string, unknown>>;
  readonly outbox: readonly string[];
  readonly dead: readonly string[];
  readonly conversation: readonly string[];
}

export class StoreModel {
  readonly #agents = new Map<AgentName, AgentModel>();
  readonly #outbox = new Map<MessageId, Uint8Array>();
  readonly #dead: Uint8Array[] = [];
  readonly #conversation = new Map<MessageId, Uint8Array>();

  apply(record: JournalRecord): void {
    switch (record.kind) {
      case "accepted":
        addOnce(this.#agent(record.agent).inbox, record.message);
        break;
      case "handled":
        this.#handled(record);
        break;
      case "outbox":
        addOnce(this.#outbox, record.message);
        break;
      case "sent":
        this.#outbox.delete(record.message);
        break;
      case "dead":
        this.#dead.push(record.message);
        break;
      case "conversation":
        addOnce(this.#conversation, record.message);
        break;
      case "saved":
        this.#agent(record.agent).saved = record.state;
    }
  }

  picture(names: readonly AgentName[]): StorePicture {
    return {
      agents: Object.fromEntries(
        names.map((name) => {
          const agent = this.#agent(name);
          const state = [...agent.state]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, value]) => [key, hex(value)]);
          return [
            name,
            {
              inbox: [...agent.inbox.values()].map(hex),
              state,
              timers: Object.fromEntries(agent.timers),
              handled: agent.handled,
              saved: agent.saved === undefined ? undefined : hex(agent.saved),
            },
          ];
        }),
      ),
      outbox: [...this.#outbox.values()].map(hex),
      dead: this.#dead.map(hex),
      conversation: [...this.#conversation.values()].map(hex),
    };
  }

  #handled(record: Extract<JournalRecord, { kind: "handled" }>): void {
    const agent = this.#agent(record.agent);
    if (record.message !== null) {
      agent.inbox.delete(record.message);
      agent.handled.push(record.message);
    }
    for (const { key, value } of record.state) {
      if (value === null) agent.state.delete(hex(key));
      else agent.state.set(hex(key), value);
    }
    for (const { id, due_ms } of record.timers) {
      if (due_ms === null) agent.timers.delete(id);
      else agent.timers.set(id, due_ms);
    }
    for (const { local, message } of record.sends) {
      const [receiver] = receiverOf(message).split("@") as [AgentName];
      addOnce(local ? this.#agent(receiver).inbox : this.#outbox, message);
    }
  }

  #agent(name: AgentName): AgentModel {
    let agent = this.#agents.get(name);
    if (agent === undefined) {
      agent = { inbox: new Map(), state: new Map(), timers: new Map(), handled: [], saved: undefined };
      this.#agents.set(name, agent);
    }
    return agent;
  }
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function addOnce(queue: Map<MessageId, Uint8Array>, message: Uint8Array): void {
  const id = messageIdOf(message);
  if (!queue.has(id)) queue.set(id, message);
}
