/** `caxton message watch`: what happens to messages, as it happens, such as dead letters. */
import { command } from "../command.ts";
import { followEvents } from "../follow-events.ts";

export const watch = command({
  brief: "Follow what happens to messages",
  examples: ["caxton message watch"],
  parameters: {},
  run: (call) => followEvents(call, ["message.*"]),
});
