// Answers every message that is not itself a reply with its own content. (Answering replies too,
// two echoes would talk to each other for ever.)
import { onMessage } from "../sdk/assemblyscript/caxton";

onMessage((m) => {
  if (m.inReplyTo.length == 0) m.reply("inform", m.content);
});
