/* Sends messages at a steady rate, waiting for nobody: an open loop. A request begins a run; its answer comes when all
 * is sent. Content, little-endian: `f64 messages a second, u32 messages, u32 targets, u32 first target, u32 payload
 * bytes`, then the prefix of the targets' names: `<prefix>-<first … first + targets - 1>`, one after another.
 * What is sent is always what is due by the wall clock, so a late timer sends more at once instead of slowing down.
 * The answer: `u32 sent, u32 refused, u32 most at once, f64 latest ms, f64 duration ms`, latest being the longest that a
 * message was sent after it was due. */
#include "../../wasm-agents/sdk/c/caxton.h"

#define START_MAX 1024
#define PREFIX_MAX 64
#define PAYLOAD_MAX 1024
#define SENDS_PER_CALL 1000
#define TIMER 1

static struct {
  uint8_t start[START_MAX];
  double rate_per_ms, began_ms, latest_ms;
  uint32_t total, targets, first, payload, prefix_len;
  uint32_t sent, refused, most;
  char prefix[PREFIX_MAX];
  int running;
} run;

static uint32_t write_number(char *out, uint32_t number) {
  char digits[10];
  uint32_t count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  for (uint32_t i = 0; i < count; i++) out[i] = digits[count - 1 - i];
  return count;
}

static void send_one(void) {
  static char payload[PAYLOAD_MAX];
  char name[PREFIX_MAX + 12];
  char conversation[16];
  uint32_t target = run.first + run.sent % run.targets;
  __builtin_memcpy(name, run.prefix, run.prefix_len);
  name[run.prefix_len] = '-';
  uint32_t name_len = run.prefix_len + 1 + write_number(name + run.prefix_len + 1, target);
  conversation[0] = 'c';
  uint32_t conversation_len = 1 + write_number(conversation + 1, target);
  caxton_message message = {0};
  message.performative = CAXTON_INFORM;
  message.priority = 5;
  message.field[CAXTON_RECEIVER] = (caxton_slice){name, name_len};
  message.field[CAXTON_CONVERSATION_ID] = (caxton_slice){conversation, conversation_len};
  message.content = (caxton_slice){payload, run.payload};
  if (caxton_send(&message) != CAXTON_OK) run.refused++;
  run.sent++;
}

static void answer(double now_ms) {
  struct __attribute__((packed)) {
    uint32_t sent, refused, most;
    double latest_ms, duration_ms;
  } result = {run.sent, run.refused, run.most, run.latest_ms, now_ms - run.began_ms};
  caxton_message start;
  caxton_read(run.start, &start);
  caxton_reply(&start, CAXTON_INFORM, (caxton_slice){(const char *)&result, sizeof result});
}

static void send_due(void) {
  double now_ms = caxton_now();
  double due = (now_ms - run.began_ms) * run.rate_per_ms;
  uint32_t wanted = due >= (double)run.total ? run.total : (uint32_t)due;
  uint32_t count = wanted > run.sent ? wanted - run.sent : 0;
  if (count > 0) {
    double late_ms = now_ms - run.began_ms - (double)run.sent / run.rate_per_ms;
    if (late_ms > run.latest_ms) run.latest_ms = late_ms;
  }
  if (count > run.most) run.most = count;
  if (count > SENDS_PER_CALL - 1) count = SENDS_PER_CALL - 1;
  while (count-- > 0) send_one();
  if (run.sent < run.total) {
    caxton_timer_set(TIMER, 1);
    return;
  }
  run.running = 0;
  answer(now_ms);
}

CAXTON_EXPORT("on_timer") void on_timer(int32_t id) {
  if (id == TIMER && run.running) send_due();
}

static void on_message(const caxton_message *message) {
  struct __attribute__((packed)) {
    double rate;
    uint32_t total, targets, first, payload;
  } order;
  const uint8_t *raw = (const uint8_t *)message->field[CAXTON_SENDER].ptr - CAXTON_HEADER_BYTES;
  uint32_t raw_len;
  __builtin_memcpy(&raw_len, raw + 4, 4);
  if (message->performative != CAXTON_REQUEST || run.running || raw_len > START_MAX) return;
  if (message->content.len <= sizeof order || message->content.len > sizeof order + PREFIX_MAX) return;
  __builtin_memcpy(&order, message->content.ptr, sizeof order);
  if (!(order.rate > 0) || order.targets == 0 || order.payload == 0 || order.payload > PAYLOAD_MAX) return;
  __builtin_memset(&run, 0, sizeof run);
  __builtin_memcpy(run.start, raw, raw_len);
  run.prefix_len = message->content.len - sizeof order;
  __builtin_memcpy(run.prefix, message->content.ptr + sizeof order, run.prefix_len);
  run.rate_per_ms = order.rate / 1000;
  run.total = order.total;
  run.targets = order.targets;
  run.first = order.first;
  run.payload = order.payload;
  run.began_ms = caxton_now();
  run.running = 1;
  caxton_timer_set(TIMER, 1);
}
