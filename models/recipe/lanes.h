// Vectors of which each element belongs to another story: the arithmetic of one story, LANES times.

#include <stdint.h>

enum { LANES = 8 };
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));

static inline lanes where(integers condition, lanes yes, lanes no) {
    return (lanes)((condition & (integers)yes) | (~condition & (integers)no));
}

// e^x = 2^n * 2^f with n the nearest integer to x / ln 2: the series of 2^f, |f| <= 1/2, to its sixth term
// is exact to float precision, and n goes straight into the exponent bits.
static inline lanes exp_lanes(lanes x) {
    lanes y = x * 1.44269504f;
    y = where(y > -126.0f, y, (lanes){0} - 126.0f);
    integers n = __builtin_convertvector(where(y > 0.0f, y + 0.5f, y - 0.5f), integers);
    lanes f = (y - __builtin_convertvector(n, lanes)) * 0.693147181f;
    lanes series = 1.0f + f * (1.0f + f * (1 / 2.0f + f * (1 / 6.0f + f * (1 / 24.0f + f * (1 / 120.0f + f / 720.0f)))));
    return series * (lanes)((n + 127) << 23);
}
