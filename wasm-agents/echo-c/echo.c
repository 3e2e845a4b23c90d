/* Answers every message that is not itself a reply with its own content. */
#include "../sdk/c/caxton.h"

static void on_message(const caxton_message *message) {
  if (message->field[CAXTON_IN_REPLY_TO].len == 0) caxton_reply(message, CAXTON_INFORM, message->content);
}
