// Causal attention with shared kv heads for training, forward and backward, LANES rows at a time.
//
// Heads of eight values are too narrow for the matrix products that general libraries build attention
// from. Here a vector holds the same element of LANES rows, so every product is a full vector.
//
// All arrays are contiguous: q, out and their gradients rows x length x heads x HEAD_DIM, k and v the
// same with kv_heads; log_sums rows / LANES x heads x length x LANES. rows is a multiple of LANES.
// attention.py calls it and owns all memory.

#include <math.h>
#include <string.h>

#include "lanes.h"

enum { LENGTH_MAX = 512 };
typedef lanes vectors[LENGTH_MAX][HEAD_DIM];

typedef struct {
    int rows, length, heads, kv_heads;
} shape_t;

static void gather(vectors to, const float *from, const shape_t *s, int row, int heads, int head) {
    for (int t = 0; t < s->length; t++)
        for (int lane = 0; lane < LANES; lane++) {
            const float *values = from + (((int64_t)(row + lane) * s->length + t) * heads + head) * HEAD_DIM;
            for (int i = 0; i < HEAD_DIM; i++) to[t][i][lane] = values[i];
        }
}

static void scatter(float *to, vectors from, const shape_t *s, int row, int heads, int head) {
    for (int t = 0; t < s->length; t++)
        for (int lane = 0; lane < LANES; lane++) {
            float *values = to + (((int64_t)(row + lane) * s->length + t) * heads + head) * HEAD_DIM;
            for (int i = 0; i < HEAD_DIM; i++) values[i] = from[t][i][lane];
        }
}

static inline lanes dot(const lanes *a, const lanes *b) {
    lanes sum = a[0] * b[0];
    for (int i = 1; i < HEAD_DIM; i++) sum += a[i] * b[i];
    return sum;
}

// Output of one position and the logarithm of its sum of exp(score): the backward pass rebuilds each
// weight as exp(score - log_sum) instead of keeping length x length of them.
static void forward_position(lanes *out, lanes *log_sum, const lanes *query, vectors k, vectors v, int t) {
    static lanes scores[LENGTH_MAX];
    lanes q[HEAD_DIM], mixed[HEAD_DIM] = {0}, total = {0}, top = (lanes){0} - 1e30f;
    for (int i = 0; i < HEAD_DIM; i++) q[i] = query[i] / sqrtf(HEAD_DIM);
    for (int slot = 0; slot <= t; slot++) {
        scores[slot] = dot(q, k[slot]);
        top = where(scores[slot] > top, scores[slot], top);
    }
    for (int slot = 0; slot <= t; slot++) {
        lanes weight = exp_lanes(scores[slot] - top);
        total += weight;
        for (int i = 0; i < HEAD_DIM; i++) mixed[i] += weight * v[slot][i];
    }
    for (int i = 0; i < HEAD_DIM; i++) out[i] = mixed[i] / total;
    for (int lane = 0; lane < LANES; lane++) (*log_sum)[lane] = top[lane] + logf(total[lane]);
}

// With weights p, their gradient dp = dout . v and delta = sum of p dp = dout . out, the gradient of a
// score is p (dp - delta); the rest is the chain rule through score = q . k / sqrt(HEAD_DIM).
static void backward_position(lanes *dquery, vectors dk, vectors dv, const lanes *query, const lanes *dout,
                              const lanes *out, vectors k, vectors v, lanes log_sum, int t) {
    lanes q[HEAD_DIM], dq[HEAD_DIM] = {0}, delta = dot(dout, out);
    for (int i = 0; i < HEAD_DIM; i++) q[i] = query[i] / sqrtf(HEAD_DIM);
    for (int slot = 0; slot <= t; slot++) {
        lanes weight = exp_lanes(dot(q, k[slot]) - log_sum);
        lanes dscore = weight * (dot(dout, v[slot]) - delta);
        for (int i = 0; i < HEAD_DIM; i++) {
            dv[slot][i] += weight * dout[i];
            dk[slot][i] += dscore * q[i];
            dq[i] += dscore * k[slot][i];
        }
    }
    for (int i = 0; i < HEAD_DIM; i++) dquery[i] = dq[i] / sqrtf(HEAD_DIM);
}

void attention_forward(const shape_t *s, const float *q, const float *k, const float *v, float *out,
                       float *log_sums) {
    static vectors queries, keys, values, mixed;
    int group = s->heads / s->kv_heads;
    for (int row = 0; row < s->rows; row += LANES)
        for (int head = 0; head < s->heads; head++) {
            if (head % group == 0) {
                gather(keys, k, s, row, s->kv_heads, head / group);
                gather(values, v, s, row, s->kv_heads, head / group);
            }
            gather(queries, q, s, row, s->heads, head);
            for (int t = 0; t < s->length; t++, log_sums += LANES) {
                lanes log_sum;
                forward_position(mixed[t], &log_sum, queries[t], keys, values, t);
                memcpy(log_sums, &log_sum, sizeof log_sum);
            }
            scatter(out, mixed, s, row, s->heads, head);
        }
}

void attention_backward(const shape_t *s, const float *q, const float *k, const float *v, const float *out,
                        const float *log_sums, const float *dout, float *dq, float *dk, float *dv) {
    static vectors queries, keys, values, mixed, dmixed, dqueries, dkeys, dvalues;
    int group = s->heads / s->kv_heads;
    for (int row = 0; row < s->rows; row += LANES)
        for (int head = 0; head < s->heads; head++) {
            if (head % group == 0) {
                gather(keys, k, s, row, s->kv_heads, head / group);
                gather(values, v, s, row, s->kv_heads, head / group);
                memset(dkeys, 0, sizeof dkeys), memset(dvalues, 0, sizeof dvalues);
            }
            gather(queries, q, s, row, s->heads, head);
            gather(mixed, out, s, row, s->heads, head);
            gather(dmixed, dout, s, row, s->heads, head);
            for (int t = 0; t < s->length; t++, log_sums += LANES) {
                lanes log_sum;
                memcpy(&log_sum, log_sums, sizeof log_sum);
                backward_position(dqueries[t], dkeys, dvalues, queries[t], dmixed[t], mixed[t], keys, values,
                                  log_sum, t);
            }
            scatter(dq, dqueries, s, row, s->heads, head);
            if (head % group == group - 1) {
                scatter(dk, dkeys, s, row, s->kv_heads, head / group);
                scatter(dv, dvalues, s, row, s->kv_heads, head / group);
            }
        }
}
