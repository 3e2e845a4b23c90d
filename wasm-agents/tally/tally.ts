// Counts requests in its memory, which is faster than state and gone when the agent restarts. `save` and
// `load` carry the count over to the next revision.
import { loaded, onMessage, saved } from "../sdk/assemblyscript/caxton";

let count: i64 = 0;

export function save(): u64 {
  return saved(String.UTF8.encode(count.toString()));
}

export function load(_ptr: usize, _len: i32): void {
  count = I64.parseInt(String.UTF8.decode(loaded()));
}

onMessage((m) => {
  if (m.performative == "request") m.reply("inform", (++count).toString());
});
