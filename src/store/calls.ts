/** One answer a call: the store's table of operations, on the engine. */
import { assert, unreachable } from "../base/assert.ts";
import type { Clock } from "../ports/clock.ts";
import type { Database } from "../ports/database.ts";
import { listAgents, measureAgent, recoverAgent } from "./agent-tables.ts";
import { listConversations, listMessages } from "./conversation-tables.ts";
import { listDeadLetters } from "./dead-letter-table.ts";
import type { StoreEngine } from "./engine.ts";
import { listKept, putIncoming } from "./kept-agents.ts";
import { getMeta, putMeta } from "./meta-table.ts";
import { getModule, listModules, putModule, removeModule } from "./module-table.ts";
import { readOutbox } from "./outbox-table.ts";
import * as queued from "./queued-writes-table.ts";
import type { StoreCall } from "./store-protocol.ts";

/** Whether the call looks at tables that follow the journal. */
export function needsTables(call: StoreCall): boolean {
  switch (call.name) {
    case "removeAgent":
    case "recoverAgent":
    case "putAside":
    case "listKept":
    case "takeIncoming":
    case "removeMoved":
    case "removeDoubtful":
    case "removeUnsent":
    case "measureAgent":
    case "recoverOutbox":
    case "listDeadLetters":
    case "takeDeadLetters":
    case "listConversations":
    case "listMessages":
      return true;
    case "putModule":
    case "getModule":
    case "listModules":
    case "removeModule":
    case "saveAgent":
    case "listAgents":
    case "putIncoming":
    case "getMeta":
    case "putMeta":
    case "putQueuedWrite":
    case "takeQueuedWrites":
    case "putQueuedWritesBack":
    case "putWriteOutcomes":
    case "takeUnbegunWrites":
    case "getQueuedWrite":
    case "listQueuedWrites":
    case "countQueuedWrites":
    case "stats":
    case "close":
      return false;
    default:
      return unreachable(call);
  }
}

/** Does the call and returns its value. Throws `CaxtonError`, and then nothing is changed. */
export function answerCall(engine: StoreEngine, clock: Clock, call: StoreCall): unknown {
  const { database } = engine;
  switch (call.name) {
    case "putModule":
      return putModule(database, call.in.hash, call.in.bytes);
    case "getModule":
      return getModule(database, call.in);
    case "listModules":
      return listModules(database);
    case "removeModule":
      return removeModule(database, call.in);
    case "saveAgent":
      return engine.saveAgent(call.in);
    case "removeAgent":
      return engine.removeAgent(call.in, clock.wall_ms());
    case "listAgents":
      return listAgents(database);
    case "recoverAgent":
      return recoverAgent(database, call.in);
    case "putAside":
      return engine.putAside({ ...call.in, at_ms: clock.wall_ms() });
    case "listKept":
      return listKept(database, call.in);
    case "putIncoming":
      return putIncoming(database, { ...call.in, at_ms: clock.wall_ms() });
    case "takeIncoming":
      return engine.takeIncoming(call.in.agent, call.in.transfer);
    case "removeMoved":
      return engine.removeMoved(call.in);
    case "removeDoubtful":
      return engine.removeDoubtful(call.in, clock.wall_ms());
    case "removeUnsent":
      return engine.removeUnsent(call.in, clock.wall_ms());
    case "measureAgent":
      return measureAgent(database, call.in);
    case "recoverOutbox":
      return readOutbox(database, call.in);
    case "listDeadLetters":
      return listDeadLetters(database, call.in.limit, call.in.cursor);
    case "takeDeadLetters":
      return engine.takeDeadLetters(call.in);
    case "listConversations":
      return listConversations(database, call.in.limit, call.in.cursor);
    case "listMessages":
      return listMessages(database, call.in.conversation, call.in.limit, call.in.cursor);
    case "getMeta":
      return getMeta(database, call.in);
    case "putMeta":
      return putMeta(database, call.in.key, call.in.value);
    case "stats":
    case "close":
      assert(false, `${call.name} is answered by the server`);
      return undefined;
    default:
      return answerOfQueue(database, clock, call);
  }
}

type QueueCall = Extract<
  StoreCall,
  { readonly name: `${string}${"Queued" | "Unbegun" | "Outcomes"}${string}` }
>;

function answerOfQueue(database: Database, clock: Clock, call: QueueCall): unknown {
  switch (call.name) {
    case "putQueuedWrite":
      return queued.putQueuedWrite(database, call.in.write, call.in.limit);
    case "takeQueuedWrites":
      return queued.takeQueuedWrites(database, call.in);
    case "putQueuedWritesBack":
      return queued.putQueuedWritesBack(database, call.in);
    case "putWriteOutcomes":
      return queued.putWriteOutcomes(database, call.in);
    case "takeUnbegunWrites":
      return queued.takeUnbegunWrites(database, call.in, clock.wall_ms());
    case "getQueuedWrite":
      return queued.getQueuedWrite(database, call.in);
    case "listQueuedWrites":
      return queued.listQueuedWrites(database, call.in);
    case "countQueuedWrites":
      return queued.countQueuedWrites(database, call.in);
    default:
      return unreachable(call);
  }
}
