// Content "go": calls itself without end, until the call depth is reached. Anything else is echoed.
import { onMessage } from "../sdk/assemblyscript/caxton";

let depth: u64 = 0;

function deeper(below: u64): u64 {
  depth = below;
  return deeper(below + 1) + depth;
}

onMessage((m) => {
  if (m.text == "go") m.reply("inform", deeper(0).toString());
  else m.reply("inform", m.content);
});
