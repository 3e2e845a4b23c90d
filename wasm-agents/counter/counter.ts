// Counts the requests it got, and answers each with the new count. The count is durable state.
import { onMessage, state } from "../sdk/assemblyscript/caxton";

onMessage((m) => {
  if (m.performative != "request") return;
  const stored = state.get("count");
  const count = (stored === null ? 0 : I64.parseInt(stored)) + 1;
  state.set("count", count.toString());
  m.reply("inform", count.toString());
});
