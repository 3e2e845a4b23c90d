// A request "100" (or "100 name") plays 100 rounds of request and inform with the agent `pong` (or `name`)
// and then answers its requester. A game is durable state under its own conversation, so many run at once.
import { Message, Outgoing, onMessage, state } from "../sdk/assemblyscript/caxton";

const roundsLimit: i64 = 1_000_000;
const requestLimit_bytes = 200;

onMessage((m) => {
  if (m.performative == "request") begin(m);
  else play(m);
});

function begin(m: Message): void {
  const words = m.content.byteLength > requestLimit_bytes ? [""] : m.text.trim().split(" ");
  const rounds = I64.parseInt(words[0]);
  const opponent = words.length > 1 ? words[1] : "pong";
  if (words.length > 2 || rounds.toString() != words[0] || rounds < 1 || rounds > roundsLimit) {
    m.reply("not-understood", "Send the number of rounds, 1 to " + roundsLimit.toString() + ", and optionally an opponent");
    return;
  }
  // The request's id is unique, so it names the game. What is needed to answer the requester is kept with it.
  const requester = m.replyTo.length > 0 ? m.replyTo : m.sender;
  const tag = m.replyWith.length > 0 ? m.replyWith : m.id;
  const result = serve(m.id, opponent, 1);
  if (result != 0) {
    m.reply("failure", "Cannot send to " + opponent + ": " + result.toString());
    return;
  }
  const game = [rounds.toString(), opponent, requester, m.conversationId, tag, m.protocol];
  state.set(m.id, game.join("\n"));
}

function serve(game: string, opponent: string, round: i64): i32 {
  const ball = new Outgoing(opponent, "request");
  ball.conversationId = game;
  ball.replyWith = round.toString();
  return ball.send(round.toString());
}

function play(m: Message): void {
  const stored = state.get(m.conversationId);
  if (stored === null) return;
  const game = stored.split("\n");
  const rounds = I64.parseInt(game[0]);
  const opponent = game[1];
  if (m.performative != "inform") {
    finish(m.conversationId, game, "failure", opponent + " answered " + m.performative);
    return;
  }
  const round = I64.parseInt(m.inReplyTo);
  if (round < rounds) {
    const result = serve(m.conversationId, opponent, round + 1);
    if (result == 0) return;
    finish(m.conversationId, game, "failure", "Cannot send to " + opponent + ": " + result.toString());
    return;
  }
  finish(m.conversationId, game, "inform", rounds.toString() + " rounds with " + opponent);
}

function finish(id: string, game: string[], performative: string, text: string): void {
  state.remove(id);
  const answer = new Outgoing(game[2], performative);
  answer.conversationId = game[3];
  answer.inReplyTo = game[4];
  answer.protocol = game[5];
  answer.send(text);
}
