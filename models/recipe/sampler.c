// Samples stories from a llama2.c checkpoint, LANES of them at a time on one core.
//
// One vector register element is one story: every quantity of the model is a vector over stories, so
// each weight is read once for all of them and no loop needs a remainder. A story that ends leaves its
// lane to the next one at once; lanes therefore stand at different positions, and a lane simply ignores
// cache slots that it has not written itself.
//
// sample.py builds this file for one HEAD_DIM, calls sample_stories() and owns all memory.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

enum { BOS = 1, DIM_MAX = 128, HIDDEN_MAX = 512, VOCAB_MAX = 1024, CONTEXT_MAX = 1024 };
typedef float lanes __attribute__((vector_size(4 * LANES)));

typedef int32_t integers __attribute__((vector_size(4 * LANES)));

typedef struct {
    int dim, hidden_dim, layers, heads, kv_heads, vocab, context;
} sizes_t;

typedef struct {
    const float *embedding, *norm_attention, *wq, *wk, *wv, *wo, *norm_ffn, *gate, *down, *up, *norm_final;
    const float *cosine, *sine; // context x HEAD_DIM / 2
} weights_t;

typedef struct {
    float probability;
    int id;
} candidate_t;

static void multiply(lanes *out, const float *matrix, const lanes *in, int outputs, int inputs) {
    // Four rows at a time keep enough independent sums in flight to hide the latency of the multiplier.
    for (int row = 0; row < outputs; row += 4, matrix += 4 * inputs) {
        lanes a = {0}, b = {0}, c = {0}, d = {0};
        for (int i = 0; i < inputs; i++) {
            lanes x = in[i];
            a += matrix[i] * x;
            b += matrix[inputs + i] * x;
            c += matrix[2 * inputs + i] * x;
            d += matrix[3 * inputs + i] * x;
        }
        out[row] = a, out[row + 1] = b, out[row + 2] = c, out[row + 3] = d;
    }
}

static void normalise(lanes *out, const lanes *in, const float *gain, int count) {
    lanes squares = {0}, scale;
    for (int i = 0; i < count; i++) squares += in[i] * in[i];
    for (int i = 0; i < LANES; i++) scale[i] = 1.0f / sqrtf(squares[i] / count + 1e-5f);
    for (int i = 0; i < count; i++) out[i] = gain[i] * in[i] * scale;
}

static void rotate(lanes *x, int count, const weights_t *w, const int *position) {
    for (int pair = 0; pair < count / 2; pair++) {
        lanes cosine, sine, even = x[2 * pair], odd = x[2 * pair + 1];
        for (int i = 0; i < LANES; i++) {
            int entry = position[i] * (HEAD_DIM / 2) + pair % (HEAD_DIM / 2);
            cosine[i] = w->cosine[entry], sine[i] = w->sine[entry];
        }
        x[2 * pair] = even * cosine - odd * sine;
        x[2 * pair + 1] = even * sine + odd * cosine;
    }
}

// Mixes the values of one query head over the cache slots that each lane owns: 0 to its position.
static void attend(lanes *out, const lanes *q, const lanes *keys, const lanes *values, int stride,
                   integers position, int used) {
    static lanes scores[CONTEXT_MAX];
    const lanes none = (lanes){0} - 1e30f;
    lanes top = none, total = {0}, mixed[HEAD_DIM] = {0};
    for (int slot = 0; slot < used; slot++) {
        lanes score = {0};
        for (int i = 0; i < HEAD_DIM; i++) score += q[i] * keys[slot * stride + i];
        score = where(slot <= position, score / sqrtf(HEAD_DIM), none);
        top = where(score > top, score, top);
        scores[slot] = score;
    }
    for (int slot = 0; slot < used; slot++) {
        lanes weight = exp_lanes(scores[slot] - top);
        total += weight;
        for (int i = 0; i < HEAD_DIM; i++) mixed[i] += weight * values[slot * stride + i];
    }
    for (int i = 0; i < HEAD_DIM; i++) out[i] = mixed[i] / total;
}

static void layer_step(const sizes_t *s, const weights_t *w, int layer, lanes *x, lanes *keys, lanes *values,
                       const int *position, int used) {
    static lanes h[DIM_MAX], q[DIM_MAX], k[DIM_MAX], v[DIM_MAX], mixed[DIM_MAX], gate[HIDDEN_MAX], up[HIDDEN_MAX];
    int kv_dim = HEAD_DIM * s->kv_heads;
    integers owned;
    for (int lane = 0; lane < LANES; lane++) owned[lane] = position[lane];
    normalise(h, x, w->norm_attention + layer * s->dim, s->dim);
    multiply(q, w->wq + layer * s->dim * s->dim, h, s->dim, s->dim);
    multiply(k, w->wk + layer * kv_dim * s->dim, h, kv_dim, s->dim);
    multiply(v, w->wv + layer * kv_dim * s->dim, h, kv_dim, s->dim);
    rotate(q, s->dim, w, position);
    rotate(k, kv_dim, w, position);
    for (int i = 0; i < kv_dim; i++)
        for (int lane = 0; lane < LANES; lane++) {
            keys[position[lane] * kv_dim + i][lane] = k[i][lane];
            values[position[lane] * kv_dim + i][lane] = v[i][lane];
        }
    for (int head = 0; head < s->heads; head++) {
        int kv = head / (s->heads / s->kv_heads) * HEAD_DIM;
        attend(mixed + head * HEAD_DIM, q + head * HEAD_DIM, keys + kv, values + kv, kv_dim, owned, used);
    }
    multiply(h, w->wo + layer * s->dim * s->dim, mixed, s->dim, s->dim);
    for (int i = 0; i < s->dim; i++) x[i] += h[i];
    normalise(h, x, w->norm_ffn + layer * s->dim, s->dim);
    multiply(gate, w->gate + layer * s->hidden_dim * s->dim, h, s->hidden_dim, s->dim);
    multiply(up, w->up + layer * s->hidden_dim * s->dim, h, s->hidden_dim, s->dim);
    for (int i = 0; i < s->hidden_dim; i++) gate[i] = gate[i] / (1.0f + exp_lanes(-gate[i])) * up[i];
    multiply(h, w->down + layer * s->hidden_dim * s->dim, gate, s->dim, s->hidden_dim);
    for (int i = 0; i < s->dim; i++) x[i] += h[i];
}

static int by_probability(const void *a, const void *b) {
    float x = ((const candidate_t *)a)->probability, y = ((const candidate_t *)b)->probability;
    return (x < y) - (x > y);
}

static double uniform(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

// Draws from the smallest set of ids whose probability together reaches top_p.
static int draw(const lanes *logits, int lane, int vocab, float temperature, float top_p, uint64_t *random) {
    float probabilities[VOCAB_MAX], top = -1e30f, total = 0.0f, cumulative = 0.0f;
    candidate_t candidates[VOCAB_MAX];
    int count = 0, kept = 0;
    for (int i = 0; i < vocab; i++) top = fmaxf(top, logits[i][lane]);
    for (int i = 0; i < vocab; i++) {
        probabilities[i] = expf((logits[i][lane] - top) / temperature);
        total += probabilities[i];
    }
    // An id below this share cannot be in the set, so it need not be sorted.
    float share_min = (1.0f - top_p) / (vocab - 1) * total;
    for (int i = 0; i < vocab; i++)
        if (probabilities[i] >= share_min) candidates[count++] = (candidate_t){probabilities[i], i};
    qsort(candidates, count, sizeof(candidate_t), by_probability);
    while (kept < count && cumulative < top_p * total) cumulative += candidates[kept++].probability;
    float target = uniform(random) * cumulative;
    for (int i = 0; i < kept - 1; i++) {
        target -= candidates[i].probability;
        if (target < 0.0f) return candidates[i].id;
    }
    return candidates[kept - 1].id;
}

// Writes whole stories, each followed by BOS, into `out` and returns the number of ids written, or -1 if
// the model is larger than the limits above or no memory is left. Stops when `out` might not hold one
// more story. A story that fills the context without an end is dropped.
int64_t sample_stories(const sizes_t *s, const weights_t *w, float temperature, float top_p, uint64_t seed,
                       int32_t *out, int64_t capacity) {
    if (s->dim > DIM_MAX || s->hidden_dim > HIDDEN_MAX || s->vocab > VOCAB_MAX || s->context > CONTEXT_MAX ||
        s->hidden_dim % 4 || s->vocab % 4)
        return -1;
    int kv_dim = HEAD_DIM * s->kv_heads, cache = s->context * kv_dim;
    size_t bytes = sizeof(lanes) * s->layers * cache;
    lanes *keys = aligned_alloc(sizeof(lanes), bytes), *values = aligned_alloc(sizeof(lanes), bytes);
    if (!keys || !values) return -1;
    memset(keys, 0, bytes), memset(values, 0, bytes);
    static lanes x[DIM_MAX], h[DIM_MAX], logits[VOCAB_MAX];
    static int32_t stories[LANES][CONTEXT_MAX];
    int position[LANES] = {0}, id[LANES];
    int64_t written = 0;
    for (int lane = 0; lane < LANES; lane++) id[lane] = BOS;
    while (written + s->context <= capacity) {
        int used = 0;
        for (int lane = 0; lane < LANES; lane++) {
            used = position[lane] + 1 > used ? position[lane] + 1 : used;
            for (int i = 0; i < s->dim; i++) x[i][lane] = w->embedding[id[lane] * s->dim + i];
        }
        for (int layer = 0; layer < s->layers; layer++)
            layer_step(s, w, layer, x, keys + layer * cache, values + layer * cache, position, used);
        normalise(h, x, w->norm_final, s->dim);
        multiply(logits, w->embedding, h, s->vocab, s->dim);
        for (int lane = 0; lane < LANES; lane++) {
            id[lane] = draw(logits, lane, s->vocab, temperature, top_p, &seed);
            stories[lane][position[lane]++] = id[lane];
            if (id[lane] == BOS && written + position[lane] <= capacity) {
                memcpy(out + written, stories[lane], position[lane] * sizeof(int32_t));
                written += position[lane];
            }
            if (id[lane] == BOS || position[lane] == s->context) position[lane] = 0, id[lane] = BOS;
        }
    }
    free(keys), free(values);
    return written;
}
