/**
 * What a run of journal records comes to in the tables: the net changes only, so that a message
 * accepted and handled within the run never touches the inbox. Pure; applying is the tables' part.
 */
import { unreachable } from "../base/assert.ts";
import type { AgentName, MessageId } from "../base/ids.ts";
import type { HandledRecord, JournalRecord } from "../wire/journal-record.ts";
import { messageIdOf, receiverOf } from "../wire/message.ts";
import type { RecordSink } from "./journal.ts";
import { sliceLimit_rows } from "./limits.ts";

/** Removals come before additions. */
export class QueueEffects {
  readonly removed = new Set<MessageId>();
  /** In the order of arrival. */
  readonly added = new Map<MessageId, Uint8Array>();

  /** A message that is there already stays where it is. Returns how many rows more will change. */
  add(message: Uint8Array): number {
    const id = messageIdOf(message);
    if (this.added.has(id)) return 0;
    this.added.set(id, message);
    return 1;
  }

  /** Returns how many rows more will change: one less when it came within the run. */
  remove(id: MessageId): number {
    this.removed.add(id);
    return this.added.delete(id) ? -1 : 1;
  }
}

export class AgentEffects {
  readonly inbox = new QueueEffects();
  /** By the key's bytes as a string; a null value deletes. */
  readonly state = new Map<string, { readonly key: Uint8Array; readonly value: Uint8Array | null }>();
  readonly timers = new Map<number, number | null>();
  readonly handled: MessageId[] = [];
  saved: Uint8Array | undefined;
}

export interface NewDeadLetter {
  readonly reason: string;
  readonly detail: string;
  readonly at_ms: number;
  readonly message: Uint8Array;
}

export class JournalEffects implements RecordSink {
  readonly agents = new Map<AgentName, AgentEffects>();
  readonly outbox = new QueueEffects();
  readonly deadLetters: NewDeadLetter[] = [];
  readonly conversation: Uint8Array[] = [];
  #rows = 0;

  /** Enough for one transaction. */
  get full(): boolean {
    return this.#rows >= sliceLimit_rows;
  }

  add(record: JournalRecord): void {
    switch (record.kind) {
      case "accepted":
        this.#count(this.#agent(record.agent).inbox.add(record.message));
        break;
      case "handled":
        this.#handled(record);
        break;
      case "outbox":
        this.#count(this.outbox.add(record.message));
        break;
      case "sent":
        this.#count(this.outbox.remove(record.message));
        break;
      case "dead":
        this.deadLetters.push(record);
        this.#rows++;
        break;
      case "conversation":
        this.conversation.push(record.message);
        this.#rows++;
        break;
      case "saved":
        this.#agent(record.agent).saved = record.state;
        break;
      default:
        unreachable(record);
    }
  }

  #handled(record: HandledRecord): void {
    const agent = this.#agent(record.agent);
    if (record.message !== null) {
      this.#count(agent.inbox.remove(record.message));
      agent.handled.push(record.message);
    }
    this.#rows -= agent.state.size + agent.timers.size;
    for (const write of record.state) agent.state.set(keyText(write.key), write);
    for (const timer of record.timers) agent.timers.set(timer.id, timer.due_ms);
    this.#rows += agent.state.size + agent.timers.size;
    for (const send of record.sends) {
      const queue = send.local ? this.#agent(agentOf(receiverOf(send.message))).inbox : this.outbox;
      this.#count(queue.add(send.message));
    }
  }

  #count(rows: number): void {
    this.#rows += rows;
  }

  #agent(name: AgentName): AgentEffects {
    let agent = this.agents.get(name);
    if (agent === undefined) {
      agent = new AgentEffects();
      this.agents.set(name, agent);
      // Its ids of handled messages.
      this.#rows++;
    }
    return agent;
  }
}

/** The agent in an address: `name` or `name@node`. */
export function agentOf(address: string): AgentName {
  const at = address.indexOf("@");
  return (at < 0 ? address : address.slice(0, at)) as AgentName;
}

function keyText(key: Uint8Array): string {
  let text = "";
  for (const byte of key) text += String.fromCharCode(byte);
  return text;
}
