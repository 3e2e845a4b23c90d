// Loops without end in `init`: it can not be deployed.
import { onMessage } from "../sdk/assemblyscript/caxton";

let spins: u64 = 0;

export function init(): void {
  while (true) spins++;
}

onMessage((m) => {
  m.reply("inform", m.content);
});
