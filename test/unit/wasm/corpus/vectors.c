/* Fixed-width SIMD, written with the compiler's vectors. */
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef unsigned u32x4 __attribute__((vector_size(16)));
typedef unsigned char u8x16 __attribute__((vector_size(16)));

#define EXPORT(name) __attribute__((export_name(#name))) name

static float a[1024], b[1024];

double EXPORT(dot)(unsigned seed, unsigned n) {
  for (int i = 0; i < 1024; i++) {
    a[i] = (float)((seed + i * 7) % 1000) / 10;
    b[i] = (float)((seed ^ i) % 777) / 3;
  }
  f32x4 sum = {0, 0, 0, 0};
  for (unsigned i = 0; i < n % 256; i++) {
    f32x4 x = *(f32x4 *)(a + 4 * i), y = *(f32x4 *)(b + 4 * i);
    sum += x * y / (y + 1.0f) - x;
  }
  return sum[0] + sum[1] + sum[2] + sum[3];
}

unsigned long long EXPORT(lanes)(unsigned seed, unsigned n) {
  u32x4 v = {seed, seed + 1, seed + 2, seed + 3};
  u8x16 w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  f64x2 d = {1.5, (double)seed};
  for (unsigned i = 0; i < n % 1000; i++) {
    v = v * 1664525u + (v >> 7);
    v = __builtin_shufflevector(v, v, 3, 0, 6, 1);
    w += (u8x16)v;
    d = d * 1.0000001 + (f64x2){(double)v[0], (double)w[3]};
  }
  unsigned long long sum = (unsigned long long)d[0] ^ (unsigned long long)d[1];
  for (int i = 0; i < 16; i++) sum = sum * 31 + w[i];
  return sum + v[0] + v[3];
}
