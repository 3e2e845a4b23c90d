/** `caxton cluster watch`: what happens in the cluster, a line an event, until interrupted. */
import { command } from "../command.ts";
import { followEvents } from "../follow-events.ts";

export const watch = command({
  brief: "Follow what happens in the cluster",
  examples: ["caxton cluster watch", "caxton cluster watch -o wide", "caxton cluster watch --format json"],
  parameters: {},
  run: (call) => followEvents(call, []),
});
