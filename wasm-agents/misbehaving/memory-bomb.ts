// Content "go": grows its memory page by page, touches each page, and traps when it gets no more.
// Anything else is echoed.
import { onMessage } from "../sdk/assemblyscript/caxton";

onMessage((m) => {
  if (m.text == "go") {
    while (true) {
      const page = memory.grow(16);
      if (page < 0) unreachable();
      for (let i = 0; i < 16; i++) store<u8>(((page + i) << 16) as usize, 1);
    }
  }
  m.reply("inform", m.content);
});
