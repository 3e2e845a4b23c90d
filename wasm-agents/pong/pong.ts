// Sends every request straight back. The other half of `ping`.
import { onMessage } from "../sdk/assemblyscript/caxton";

onMessage((m) => {
  if (m.performative == "request") m.reply("inform", m.content);
});
