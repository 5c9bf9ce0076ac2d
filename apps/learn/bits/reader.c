/* Classify rows of numbers by a model file of hdc.apps.learn.bits, whose file.py describes it. C99 and libc only.
   cc -O2 -o classify reader.c && ./classify model.bits < rows.csv
   A row a line, numbers apart by commas, semicolons or blanks; "nan" and other words are missing values. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static uint8_t *m; /* the file */
static void fail(const char *why) { fprintf(stderr, "%s\n", why); exit(1); }
static void *room(size_t n) { void *p = calloc(n + 1, 8); if (!p) fail("out of memory"); return p; }
static uint32_t u16(size_t at) { return m[at] | (uint32_t)m[at + 1] << 8; }
static uint32_t u32(size_t at) { return u16(at) | u16(at + 2) << 16; }
static uint64_t u64(size_t at) { return u32(at) | (uint64_t)u32(at + 4) << 32; }
static double f64(size_t at) { uint64_t b = u64(at); double d; memcpy(&d, &b, 8); return d; }
static uint32_t whole(size_t at, size_t n) { return n == 1 ? (uint32_t)(int8_t)m[at] : n == 2 ? (uint32_t)(int16_t)u16(at) : u32(at); }
static int set(size_t at, size_t j) { return m[at + j / 8] >> j % 8 & 1; }
static int ones(uint64_t x) { int n = 0; for (; x; x &= x - 1) n++; return n; }
int main(int argc, char **argv) {
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!f || fseek(f, 0, SEEK_END)) fail("usage: classify MODEL < ROWS");
    size_t size = (size_t)ftell(f); rewind(f); m = room(size / 8);
    if (size < 76 || fread(m, 1, size, f) != size || memcmp(m, "HDCBITS\n", 8) || u32(8) != 1) fail("this is no model file of version 1");
    uint32_t crc = ~0u; for (size_t i = 0; i < size - 4; i++) { crc ^= m[i]; for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1)); }
    size_t kind = u32(16), F = u32(20), D = u32(24), P = u32(28), B = u32(32), most = u32(40), bit = u32(44) & 31, width = u32(48), W = (D + 63) / 64;
    size_t low = 72, scale = low + 8 * F, table = scale + 8 * F, behind = table + (4 * D + 7) / 8 * 8, tie = behind + 8 * W;
    size_t planes = kind == 0 ? 72 : kind == 1 ? tie + 8 * W + 8 * W * F : behind + (D * F * width + 7) / 8 * 8, ends = planes + 8 * P * B * W;
    if (B > 4 || u32(12) != size || ~crc != u32(size - 4) || ends + 16 * P + (u32(56) + 7) / 8 * 8 + 4 != size) fail("the model file is damaged");
    double *x = room(F); int32_t *q = room(F), *sum = room(D), high = 2 * (int32_t)most, least = kind == 1 ? 0 : -high;
    uint64_t *row = room(W); char *line = room(8 * F + 8); size_t *place = room(D);
    for (size_t j = 0; j < D && kind == 1; j++) place[u32(table + 4 * j) % D] = j; /* the component of a threshold */
    while (fgets(line, (int)(64 * F + 64), stdin)) {
        size_t n = 0, best = 0; int64_t top = 0; memset(row, 0, 8 * W);
        for (char *s = strtok(line, ",; \t\r\n"), *end; s; s = strtok(NULL, ",; \t\r\n"), n++) {
            double v = strtod(s, &end); if (n < F) x[n] = *end ? strtod("nan", NULL) : v;
        }
        if (n == 0) continue; else if (n != F) fail("a row has another number of features than the model");
        for (size_t i = 0; i < F && kind; i++) {
            double v = (x[i] - f64(low + 8 * i)) * f64(scale + 8 * i);
            int32_t half = v >= high ? high : v > least ? (int32_t)v : v <= least ? least : 0;
            q[i] = (half + (half < v && half < high) + high) / 2 - (int32_t)most;
        }
        for (size_t j = 0; j < D && kind; j++) {
            uint32_t t = u32(table + 4 * j), s = kind == 2 ? t : 0;
            for (size_t i = 0; i < F; i++)
                if (kind == 2) s += whole(behind + (j * F + i) * width, width) * (uint32_t)q[i];
                else if (x[i] == x[i]) s += set(tie + 8 * W + 8 * W * i, j) ^ (t >= (uint32_t)q[i] && set(behind, j)) ? 1u : ~0u;
            sum[j] = (int32_t)s;
        }
        for (size_t j = 0; j < D; j++) row[j / 64] |= (uint64_t)(kind == 0 ? x[j] < 0 : kind == 2 ? (int)((uint32_t)sum[j] >> bit & 1)
            : sum[j] ? sum[j] > 0 : set(tie, j) ^ (sum[place[(u32(table + 4 * j) + D - 1) % D]] / 2 & 1)) << j % 64;
        for (size_t p = 0; p < P; p++) {
            size_t end = ends + 16 * p, plane = planes + 8 * p * B * W; int64_t apart = 0;
            for (size_t b = 0; b < B; b++) for (size_t w = 0; w < W; w++, plane += 8) apart += (int64_t)ones(row[w] ^ u64(plane)) << (B - 1 - b);
            int64_t score = (int64_t)u64(end) + (int64_t)u32(end + 8) * ((int64_t)D * ((1 << B) - 1) - 2 * apart);
            if (p == 0 || score > top) { best = p; top = score; }
        }
        size_t name = ends + 16 * P; for (uint32_t c = u32(ends + 16 * best + 12); c-- && name < size;) name += strlen((char *)m + name) + 1;
        puts(name < size ? (char *)m + name : "?");
    }
}
