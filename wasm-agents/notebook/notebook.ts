// Keeps notes: a tour of state, timers, logs and the random generator. A request says one of
//   set NAME TEXT     keeps a note                  list [PREFIX]      the notes whose names begin so, in order
//   remove NAME       forgets it                    remind MS TEXT     informs the requester of TEXT later
import { INVALID, Message, Outgoing, cancelTimer, log, now, onMessage, onTimer, random, setTimer, state } from "../sdk/assemblyscript/caxton";

const notes = "note/";
const reminders = "reminder/";
// Reading bytes as text costs about 50 units of fuel a byte, so a larger message would use up the call's.
const requestLimit_bytes = 64 * 1024;

onMessage((m) => {
  if (m.performative != "request") return;
  if (m.content.byteLength > requestLimit_bytes) {
    m.reply("refuse", "at most " + requestLimit_bytes.toString() + " bytes");
    return;
  }
  const words = m.text.split(" ");
  const rest = words.slice(2).join(" ");
  if (words[0] == "set" && words.length > 2) answer(m, state.set(notes + words[1], rest));
  else if (words[0] == "remove" && words.length == 2) answer(m, state.remove(notes + words[1]));
  else if (words[0] == "list" && words.length < 3) m.reply("inform", list(words.length == 2 ? words[1] : ""));
  else if (words[0] == "remind" && words.length > 2) answer(m, remind(m, F64.parseFloat(words[1]), rest));
  else m.reply("not-understood", "set NAME TEXT, remove NAME, list [PREFIX] or remind MS TEXT");
});

onTimer((id) => {
  const key = reminders + id.toString();
  const stored = state.get(key);
  if (stored === null) return;
  const reminder = stored.split("\n");
  const message = new Outgoing(reminder[0], "inform");
  message.conversationId = reminder[1];
  message.inReplyTo = reminder[2];
  message.send(reminder.slice(3).join("\n"));
  state.remove(key);
});

function answer(m: Message, result: i32): void {
  if (result == 0) m.reply("inform", "done");
  else m.reply("failure", "refused: " + result.toString());
}

/** `state.next` gives the smallest key after the one it is told, so this walks over them in order. */
function list(prefix: string): string {
  const found: string[] = [];
  let key = state.next(notes + prefix);
  const exact = state.get(notes + prefix);
  if (exact !== null) found.push(prefix + ": " + exact);
  while (key !== null && key.startsWith(notes + prefix)) {
    const note = state.get(key);
    found.push(key.substring(notes.length) + ": " + (note === null ? "" : note));
    key = state.next(key);
  }
  return found.length > 0 ? found.join("\n") : "nothing";
}

function remind(m: Message, delay_ms: f64, text: string): i32 {
  if (!(delay_ms >= 0)) return INVALID;
  const id = <i32>random();
  const requester = m.replyTo.length > 0 ? m.replyTo : m.sender;
  const result = setTimer(id, delay_ms);
  if (result != 0) return result;
  const kept = state.set(reminders + id.toString(), [requester, m.conversationId, m.replyWith, text].join("\n"));
  if (kept != 0) cancelTimer(id);
  else log("reminder " + id.toString() + " at " + (now() + delay_ms).toString());
  return kept;
}
