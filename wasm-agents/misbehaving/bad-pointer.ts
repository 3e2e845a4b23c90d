// Content "go": hands the host a range far outside of its memory. Anything else is echoed.
import { hostSend } from "../sdk/assemblyscript/host";
import { onMessage } from "../sdk/assemblyscript/caxton";

onMessage((m) => {
  if (m.text == "go") hostSend(0x7fff0000, 0x7fff0000);
  m.reply("inform", m.content);
});
