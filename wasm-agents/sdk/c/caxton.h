/* Agents in C: define `on_message`, include this once, build with clang for wasm32 (see ../../README.md).
 * One growing buffer holds the received message, the space after it the message being written; no malloc.
 * A `caxton_message` and all its slices are valid until the handler returns. */
#ifndef CAXTON_H
#define CAXTON_H

#include <stddef.h>
#include <stdint.h>

#define CAXTON_EXPORT(name) __attribute__((export_name(name)))
#define CAXTON_IMPORT(name) __attribute__((import_module("caxton"), import_name(name)))

/* The host functions of ABI v1. Those not called are left out of the module. */
CAXTON_IMPORT("log") void caxton_host_log(int32_t level, const void *ptr, int32_t len);
CAXTON_IMPORT("send") int32_t caxton_host_send(const void *ptr, int32_t len);
CAXTON_IMPORT("now") double caxton_now(void);
CAXTON_IMPORT("random") int64_t caxton_random(void);
CAXTON_IMPORT("timer_set") int32_t caxton_timer_set(int32_t id, double delay_ms);
CAXTON_IMPORT("timer_cancel") int32_t caxton_timer_cancel(int32_t id);
CAXTON_IMPORT("state_get") int32_t caxton_state_get(const void *key, int32_t key_len, void *out, int32_t out_cap);
CAXTON_IMPORT("state_set") int32_t caxton_state_set(const void *key, int32_t key_len, const void *value, int32_t value_len);
CAXTON_IMPORT("state_delete") int32_t caxton_state_delete(const void *key, int32_t key_len);
CAXTON_IMPORT("state_next") int32_t caxton_state_next(const void *key, int32_t key_len, void *out, int32_t out_cap);

enum {
  CAXTON_OK = 0,
  CAXTON_INVALID = -1,
  CAXTON_QUEUE_FULL = -2,
  CAXTON_TOO_LARGE = -3,
  CAXTON_TOO_MANY_SENDS = -4,
  CAXTON_TOO_MANY_TIMERS = -5,
  CAXTON_STATE_FULL = -6,
};

enum { CAXTON_DEBUG, CAXTON_INFO, CAXTON_WARN, CAXTON_ERROR };

/* The byte of a performative on the wire. */
typedef enum {
  CAXTON_REQUEST,
  CAXTON_INFORM,
  CAXTON_QUERY_IF,
  CAXTON_QUERY_REF,
  CAXTON_PROPOSE,
  CAXTON_CFP,
  CAXTON_ACCEPT_PROPOSAL,
  CAXTON_REJECT_PROPOSAL,
  CAXTON_AGREE,
  CAXTON_REFUSE,
  CAXTON_FAILURE,
  CAXTON_NOT_UNDERSTOOD,
  CAXTON_CANCEL,
  CAXTON_SUBSCRIBE,
  CAXTON_CONFIRM,
  CAXTON_DISCONFIRM,
} caxton_performative;

/* Indexes of `caxton_message.field`, in wire order. */
enum {
  CAXTON_SENDER,
  CAXTON_RECEIVER,
  CAXTON_CONVERSATION_ID,
  CAXTON_REPLY_WITH,
  CAXTON_IN_REPLY_TO,
  CAXTON_REPLY_TO,
  CAXTON_PROTOCOL,
  CAXTON_LANGUAGE,
  CAXTON_ONTOLOGY,
  CAXTON_TRACE_CONTEXT,
  CAXTON_FIELDS,
};

#define CAXTON_HEADER_BYTES 64

typedef struct {
  const char *ptr; /* not terminated */
  uint32_t len;
} caxton_slice;

/* Set the fields that you want and leave the rest zero; the host fills id, sender, creation time and trace context. */
typedef struct {
  caxton_performative performative;
  uint8_t priority; /* 1 low, 5 normal, 8 high, 10 critical */
  uint8_t delivery; /* 0 at most once, 1 at least once, 2 exactly once */
  uint8_t id[16];
  double created_at_ms;
  double reply_by_ms; /* 0: no deadline */
  caxton_slice field[CAXTON_FIELDS];
  caxton_slice content;
} caxton_message;

/* Yours. */
static void on_message(const caxton_message *message);

extern uint8_t __heap_base;
static uint8_t *caxton_scratch_start;

#define CAXTON_PAGE_BYTES 65536u

/* Makes sure that `len` bytes at `start` exist; traps when the memory limit forbids it. */
static inline void *caxton_room(uint8_t *start, uint32_t len) {
  uint32_t begin = (uint32_t)(uintptr_t)start;
  if (len > 0xffffffffu - begin) __builtin_trap();
  uint32_t have = (uint32_t)__builtin_wasm_memory_size(0) * CAXTON_PAGE_BYTES;
  if (begin + len > have) {
    uint32_t pages = (begin + len - have + CAXTON_PAGE_BYTES - 1) / CAXTON_PAGE_BYTES;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) __builtin_trap();
  }
  return start;
}

CAXTON_EXPORT("alloc") void *caxton_alloc(int32_t len) {
  if (len < 0) __builtin_trap();
  uint8_t *buffer = caxton_room(&__heap_base, (uint32_t)len);
  caxton_scratch_start = (uint8_t *)(((uintptr_t)buffer + (uint32_t)len + 15u) & ~(uintptr_t)15u);
  return buffer;
}

static inline uint16_t caxton_field_length(const uint8_t *bytes, int index) {
  uint16_t length;
  __builtin_memcpy(&length, bytes + 40 + 2 * index, 2);
  return length;
}

static inline void caxton_read(const uint8_t *bytes, caxton_message *out) {
  out->performative = (caxton_performative)bytes[1];
  out->priority = bytes[2];
  out->delivery = bytes[3];
  __builtin_memcpy(out->id, bytes + 8, 16);
  __builtin_memcpy(&out->created_at_ms, bytes + 24, 8);
  __builtin_memcpy(&out->reply_by_ms, bytes + 32, 8);
  const char *at = (const char *)bytes + CAXTON_HEADER_BYTES;
  for (int i = 0; i < CAXTON_FIELDS; i++) {
    out->field[i].ptr = at;
    out->field[i].len = caxton_field_length(bytes, i);
    at += out->field[i].len;
  }
  out->content.ptr = at;
  __builtin_memcpy(&out->content.len, bytes + 60, 4);
}

/* Queues `message`; it leaves when the handler returns. */
static inline int32_t caxton_send(const caxton_message *message) {
  uint32_t total = CAXTON_HEADER_BYTES + message->content.len;
  for (int i = 0; i < CAXTON_FIELDS; i++) total += message->field[i].len;
  if (!caxton_scratch_start) caxton_scratch_start = &__heap_base;
  uint8_t *bytes = caxton_room(caxton_scratch_start, total);
  __builtin_memset(bytes, 0, CAXTON_HEADER_BYTES);
  bytes[0] = 1;
  bytes[1] = (uint8_t)message->performative;
  bytes[2] = message->priority;
  bytes[3] = message->delivery;
  __builtin_memcpy(bytes + 4, &total, 4);
  __builtin_memcpy(bytes + 32, &message->reply_by_ms, 8);
  uint8_t *at = bytes + CAXTON_HEADER_BYTES;
  for (int i = 0; i < CAXTON_FIELDS; i++) {
    uint16_t length = (uint16_t)message->field[i].len;
    __builtin_memcpy(bytes + 40 + 2 * i, &length, 2);
    __builtin_memcpy(at, message->field[i].ptr, length);
    at += length;
  }
  __builtin_memcpy(bytes + 60, &message->content.len, 4);
  __builtin_memcpy(at, message->content.ptr, message->content.len);
  return caxton_host_send(bytes, (int32_t)total);
}

/* Answers to `reply_to`, or else to the sender, in the same conversation, protocol, language and ontology;
 * `in_reply_to` is the message's `reply_with`, or else its id. */
static inline int32_t caxton_reply(const caxton_message *to, caxton_performative performative, caxton_slice content) {
  static const char digits[] = "0123456789abcdef";
  char id[36];
  caxton_message reply = {0};
  reply.performative = performative;
  reply.priority = to->priority;
  reply.delivery = to->delivery < 1 ? to->delivery : 1;
  reply.content = content;
  reply.field[CAXTON_RECEIVER] = to->field[to->field[CAXTON_REPLY_TO].len > 0 ? CAXTON_REPLY_TO : CAXTON_SENDER];
  reply.field[CAXTON_CONVERSATION_ID] = to->field[CAXTON_CONVERSATION_ID];
  reply.field[CAXTON_PROTOCOL] = to->field[CAXTON_PROTOCOL];
  reply.field[CAXTON_LANGUAGE] = to->field[CAXTON_LANGUAGE];
  reply.field[CAXTON_ONTOLOGY] = to->field[CAXTON_ONTOLOGY];
  reply.field[CAXTON_IN_REPLY_TO] = to->field[CAXTON_REPLY_WITH];
  if (to->field[CAXTON_REPLY_WITH].len == 0) {
    char *out = id;
    for (int i = 0; i < 16; i++) {
      if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
      *out++ = digits[to->id[i] >> 4];
      *out++ = digits[to->id[i] & 15];
    }
    reply.field[CAXTON_IN_REPLY_TO] = (caxton_slice){id, 36};
  }
  return caxton_send(&reply);
}

/* A slice of a string literal. */
#define CAXTON_TEXT(literal) ((caxton_slice){(literal), sizeof(literal) - 1})

static inline void caxton_log(int32_t level, caxton_slice text) {
  caxton_host_log(level, text.ptr, (int32_t)text.len);
}

CAXTON_EXPORT("handle") void caxton_handle(const uint8_t *bytes, int32_t len) {
  (void)len;
  caxton_message message;
  caxton_read(bytes, &message);
  on_message(&message);
}

#endif
