/* What C compilers make of ordinary code: loops, recursion, switches, pointers to functions, bulk memory. */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

#define EXPORT(name) __attribute__((export_name(#name))) name

static u32 state;
static u32 next(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static u32 numbers[4096];

static void quicksort(u32 *low, u32 *high) {
  if (low >= high) return;
  u32 pivot = low[(high - low) / 2];
  u32 *i = low, *j = high;
  while (i <= j) {
    while (*i < pivot) i++;
    while (*j > pivot) j--;
    if (i <= j) {
      u32 t = *i;
      *i++ = *j;
      *j-- = t;
    }
  }
  quicksort(low, j);
  quicksort(i, high);
}

u64 EXPORT(sort)(u32 seed, u32 n) {
  n = n % 4096 + 1;
  state = seed;
  for (u32 i = 0; i < n; i++) numbers[i] = next();
  quicksort(numbers, numbers + n - 1);
  u64 sum = 0;
  for (u32 i = 0; i < n; i++) sum = sum * 31 + numbers[i];
  return sum;
}

static u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

u64 EXPORT(recursion)(u32 seed, u32 n) { return fibonacci(n % 20) + seed; }

static u32 rotr(u32 x, u32 n) { return (x >> n) | (x << (32 - n)); }

u64 EXPORT(hash)(u32 seed, u32 n) {
  u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  u32 w[64];
  state = seed;
  for (u32 block = 0; block < n % 32 + 1; block++) {
    for (int i = 0; i < 16; i++) w[i] = next();
    for (int i = 16; i < 64; i++) {
      u32 a = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      u32 b = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    for (int i = 0; i < 64; i++) {
      u32 t = h[7] + (h[4] & h[5]) + (~h[4] & h[6]) + w[i] + rotr(h[4], 6);
      for (int j = 7; j > 0; j--) h[j] = h[j - 1];
      h[4] += t;
      h[0] = t + rotr(h[1], 2);
    }
  }
  return ((u64)h[0] << 32) | h[7];
}

static u64 add(u64 a, u64 b) { return a + b; }
static u64 mix(u64 a, u64 b) { return (a ^ b) * 0x9e3779b97f4a7c15ull; }
static u64 turn(u64 a, u64 b) { return (a << (b & 63)) | (a >> ((64 - (b & 63)) & 63)); }
static u64 divide(u64 a, u64 b) { return a / (b | 1) + a % (b | 1); }
static u64 (*const operations[])(u64, u64) = {add, mix, turn, divide};

u64 EXPORT(pointers)(u32 seed, u32 n) {
  u64 value = seed;
  state = seed ^ n;
  for (u32 i = 0; i < n % 5000; i++) {
    u32 r = next();
    value = operations[r & 3](value, r);
  }
  return value;
}

/* A small stack machine: a big switch in a loop. */
u64 EXPORT(interpreter)(u32 seed, u32 n) {
  static u8 program[256];
  u64 stack[16] = {1, 2, 3, 4};
  u32 top = 4, pc = 0;
  state = seed;
  for (int i = 0; i < 256; i++) program[i] = next() % 12;
  for (u32 steps = n % 20000; steps > 0; steps--) {
    switch (program[pc++ & 255]) {
      case 0: stack[top++ & 15] = pc; break;
      case 1: top--; break;
      case 2: stack[top & 15] += stack[(top - 1) & 15]; break;
      case 3: stack[top & 15] *= stack[(top - 2) & 15] | 1; break;
      case 4: if (stack[top & 15] & 1) pc += 7; break;
      case 5: pc = (u32)stack[top & 15]; break;
      case 6: stack[top & 15] ^= stack[(top - 3) & 15] >> 5; break;
      case 7: for (int i = 0; i < 3; i++) stack[i] = stack[i + 1] + i; break;
      case 8: if (stack[0] == 77) return steps; break;
      case 9: stack[top & 15] -= steps; break;
      case 10: stack[pc & 15] = ~stack[pc & 15]; break;
      default: continue;
    }
  }
  u64 sum = top;
  for (int i = 0; i < 16; i++) sum = sum * 31 + stack[i];
  return sum;
}

static u8 buffer[65536];

u64 EXPORT(bulk)(u32 seed, u32 n) {
  state = seed;
  __builtin_memset(buffer, seed, sizeof buffer);
  for (u32 i = 0; i < n % 64; i++) {
    u32 from = next() % 30000, to = next() % 30000, length = next() % 30000;
    if (i & 1) __builtin_memmove(buffer + to, buffer + from, length);
    else __builtin_memset(buffer + to, i, length);
  }
  u64 sum = 0;
  for (u32 i = 0; i < sizeof buffer; i += 7) sum = sum * 31 + buffer[i];
  return sum;
}

double EXPORT(floats)(u32 seed, u32 n) {
  double x = seed % 1000 / 1000.0, y = 0.25, sum = 0;
  float f = 1.5f;
  for (u32 i = 0; i < n % 2000; i++) {
    double t = x * x - y * y + 0.285;
    y = 2 * x * y + 0.01;
    x = t;
    if (x * x + y * y > 4) x = y = 0.1;
    f = f * 1.0001f + (float)x;
    sum += __builtin_sqrt(x * x + y * y) + __builtin_floor(f) + (int)(x * 100) + __builtin_copysign(1.0, y);
  }
  return sum;
}

/* Grows memory page by page and uses what it got. */
u64 EXPORT(growth)(u32 seed, u32 n) {
  u64 sum = seed;
  for (u32 i = 0; i < n % 8; i++) {
    unsigned long page = __builtin_wasm_memory_grow(0, 1);
    if (page == (unsigned long)-1) return 1;
    u32 *at = (u32 *)(page << 16);
    sum += at[0] + at[16383];
    at[16383] = seed;
    sum = sum * 31 + __builtin_wasm_memory_size(0);
  }
  return sum;
}
