/** A hosted agent as the rest of its thread sees it, and what it sends. `HostedAgent` is the implementation. */
import type { AgentName } from "../../base/ids.ts";
import type { Inbox, Mail } from "../../messaging/inbox.ts";
import type { RecentIds } from "../../messaging/recent-ids.ts";
import type { Runnable } from "../../messaging/scheduler.ts";
import type { AgentTimers } from "./agent-timers.ts";

export interface AgentFace extends Runnable {
  readonly name: AgentName;
  readonly durable: boolean;
  /** It acts while its node has no lease, too. */
  readonly continues: boolean;
  readonly inbox: Inbox<Mail>;
  readonly timers: AgentTimers;
  readonly recent: RecentIds;
  /** Its state and mail are loaded. */
  readonly ready: boolean;
  /** Being stopped or recovered: nothing runs, no mail is taken. */
  readonly leaving: boolean;
  /** It handles the mail that it has, and takes no more. */
  readonly closing: boolean;
  readonly failure: string | undefined;
  /** Its entries in the commit queue, which counts them. */
  uncommitted: number;
  /** Mail from agents of this thread whose acceptance failed; taken again after recovery. */
  readonly returned: Uint8Array[];
  timerDue(id: number): void;
}

/** A message that an agent sent, sealed, with its place reserved. */
export interface Outgoing {
  readonly sender: AgentName;
  readonly bytes: Uint8Array;
  readonly receiver: string;
  /** In whose inbox the place is; undefined when it is in the outgoing window. */
  readonly target: AgentFace | undefined;
}
