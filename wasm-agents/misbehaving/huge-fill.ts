// Content "go": fills 32 MiB of memory again and again, each by one instruction. Anything else is echoed.
import { onMessage } from "../sdk/assemblyscript/caxton";

const fill_bytes: usize = 32 * 1024 * 1024;

onMessage((m) => {
  if (m.text == "go") {
    const start = (memory.size() as usize) << 16;
    if (memory.grow((fill_bytes >> 16) as i32) < 0) unreachable();
    for (let value: u8 = 0; ; value++) memory.fill(start, value, fill_bytes);
  }
  m.reply("inform", m.content);
});
