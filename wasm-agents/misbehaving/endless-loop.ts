// Content "go": loops without end, until its fuel is gone. Anything else is echoed.
import { onMessage } from "../sdk/assemblyscript/caxton";

let spins: u64 = 0;

onMessage((m) => {
  if (m.text == "go") {
    while (true) spins++;
  }
  m.reply("inform", m.content);
});
