/** `caxton message watch`: messages that end as dead letters, as it happens. What arrives is no event: it would be too many. */
import { command } from "../command.ts";
import { followEvents } from "../follow-events.ts";

export const watch = command({
  brief: "Follow the messages that cannot be delivered, as they end as dead letters",
  examples: ["caxton message watch"],
  parameters: {},
  run: (call) => followEvents(call, ["message.*"]),
});
