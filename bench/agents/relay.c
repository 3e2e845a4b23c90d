/* Passes a message on to another agent of its kind until it has made its hops.
 * Content: `u32 hops left, u32 agents`, then any payload. Agents are called `<prefix>-<i>`, 0 ≤ i < agents; the next of
 * i is (7921 i + 1) mod agents, which visits all of them when agents is a power of 10 (Hull and Dobell 1962). */
#include "../../wasm-agents/sdk/c/caxton.h"

#define PAYLOAD_MAX 4096

static void on_message(const caxton_message *message) {
  uint32_t hops, agents;
  if (message->content.len < 8 || message->content.len > PAYLOAD_MAX) return;
  __builtin_memcpy(&hops, message->content.ptr, 4);
  __builtin_memcpy(&agents, message->content.ptr + 4, 4);
  if (hops == 0 || agents == 0) return;

  caxton_slice self = message->field[CAXTON_RECEIVER];
  uint32_t dash = self.len;
  while (dash > 0 && self.ptr[dash - 1] != '-') dash--;
  uint32_t index = 0;
  for (uint32_t i = dash; i < self.len && self.ptr[i] >= '0' && self.ptr[i] <= '9'; i++) {
    index = index * 10 + (uint32_t)(self.ptr[i] - '0');
  }
  index = (uint32_t)((7921ull * index + 1) % agents);

  char name[128];
  if (dash > sizeof name - 10) return;
  __builtin_memcpy(name, self.ptr, dash);
  char digits[10];
  uint32_t count = 0;
  do digits[count++] = (char)('0' + index % 10);
  while ((index /= 10) > 0);
  for (uint32_t i = 0; i < count; i++) name[dash + i] = digits[count - 1 - i];

  static char content[PAYLOAD_MAX];
  __builtin_memcpy(content, message->content.ptr, message->content.len);
  hops--;
  __builtin_memcpy(content, &hops, 4);

  caxton_message next = {0};
  next.performative = message->performative;
  next.priority = message->priority;
  next.delivery = message->delivery;
  next.field[CAXTON_RECEIVER] = (caxton_slice){name, dash + count};
  next.field[CAXTON_CONVERSATION_ID] = message->field[CAXTON_CONVERSATION_ID];
  next.content = (caxton_slice){content, message->content.len};
  if (caxton_send(&next) != CAXTON_OK) __builtin_trap();
}
