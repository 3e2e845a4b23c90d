/** What one hosted agent needs of its thread. The thread (agent-thread.ts) is the implementation. */
import type { Prng } from "../base/prng.ts";
import type { MessageIds } from "../messaging/outgoing-message.ts";
import type { OutgoingWindow } from "../messaging/outgoing-window.ts";
import type { Clock } from "../ports/clock.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { HandlerSource } from "./handler.ts";
import type { HostedAgent } from "./hosted-agent.ts";
import type { AgentEvent } from "./thread-protocol.ts";
import type { ThreadCounters } from "./thread-counters.ts";

/** A message that an agent sent, sealed, with its place reserved. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly receiver: string;
  /** In whose inbox the place is; undefined when it is in the outgoing window. */
  readonly target: HostedAgent | undefined;
}

export interface AgentWorld {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly ids: MessageIds;
  readonly window: OutgoingWindow;
  readonly commits: CommitQueue;
  readonly handlers: HandlerSource;
  readonly counters: ThreadCounters;
  /** The agent of this thread that a message to `receiver` goes to directly. */
  find(receiver: string): HostedAgent | undefined;
  /** Sends what a call of a volatile agent left, or what a durable one's commit released; `now_ms` monotonic, 0 when not at hand. */
  release(outgoing: Outgoing, inOutbox: boolean, now_ms: number): void;
  /** Ends a message as a dead letter of a volatile agent or of none. */
  deadLetter(agent: HostedAgent, reason: string, detail: string, message: Uint8Array): void;
  setTimer(agent: HostedAgent, id: number, due_ms: number): void;
  event(event: AgentEvent): void;
  /** It may have something to do. */
  wake(agent: HostedAgent): void;
}
