/** What one hosted agent needs of its thread. The thread (agent-thread.ts) is the implementation. */
import type { Prng } from "../../base/prng.ts";
import type { MessageIds } from "../../messaging/outgoing-message.ts";
import type { OutgoingWindow } from "../../messaging/outgoing-window.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AgentSpec } from "../../wire/agent-spec.ts";
import type { AgentFace, Outgoing } from "./agent-face.ts";
import type { CommitQueue } from "./commit-queue.ts";
import type { HandlerSource } from "./handler.ts";
import type { AgentEvent } from "./thread-protocol.ts";
import type { ThreadCounters } from "./thread-counters.ts";

export interface AgentWorld {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly ids: MessageIds;
  readonly window: OutgoingWindow;
  readonly commits: CommitQueue;
  readonly handlers: HandlerSource;
  readonly counters: ThreadCounters;
  /** The node has no lease: agents that do not go on without one begin nothing. */
  readonly parked: boolean;
  /** Whether that agent goes on without one. */
  goesOn(spec: AgentSpec): boolean;
  /** The agent of this thread that a message to `receiver` goes to directly. */
  find(receiver: string): AgentFace | undefined;
  /** Sends what a call of a volatile agent left, or what a durable one's commit released; `now_ms` monotonic, 0 when not at hand. */
  release(outgoing: Outgoing, inOutbox: boolean, now_ms: number): void;
  /** Ends a message as a dead letter of a volatile agent or of none. */
  deadLetter(agent: AgentFace, reason: string, detail: string, message: Uint8Array): void;
  setTimer(agent: AgentFace, id: number, due_ms: number): void;
  event(event: AgentEvent): void;
  /** It may have something to do. */
  wake(agent: AgentFace): void;
}
