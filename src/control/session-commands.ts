/** Commands about the state itself: sessions are opened and closed, and hashes marked for comparison. */
import { controlCommands } from "../wire/control-kinds.ts";
import { outcome } from "../wire/control-command.ts";
import type { Reader } from "../wire/cursor.ts";
import { type Command, defineCommand } from "./feature.ts";
import { sessions_max } from "./limits.ts";
import type { Sessions } from "./sessions.ts";

export function sessionCommands(sessions: Sessions, mark: () => void): readonly Command[] {
  return [
    defineCommand({
      kind: controlCommands.sessionOpen,
      version: 1,
      since: 1,
      name: "session.open",
      read: nothing,
      apply: (context) => {
        const id = context.nextRevision();
        return sessions.open(id, context.clock_ms) ? outcome("done", id) : outcome("limit", sessions_max);
      },
    }),
    defineCommand({
      kind: controlCommands.sessionClose,
      version: 1,
      since: 1,
      name: "session.close",
      read: (reader: Reader) => reader.u64(),
      apply: (_, id) => (sessions.close(id) ? outcome("done", id) : outcome("not_found")),
    }),
    defineCommand({
      kind: controlCommands.mark,
      version: 1,
      since: 1,
      name: "mark",
      read: nothing,
      apply: () => {
        mark();
        return outcome("done");
      },
    }),
  ];
}

function nothing(): null {
  return null;
}
