// What the launchers take: device addresses and sizes, checked by bind.cpp; no CUDA header is needed to call them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace gnnctl::cuda {

// What features are stored in. Kernels compute in float32 and round once, when they store.
enum class Scalar { float32, bfloat16, float16 };
constexpr int size_of(Scalar scalar) { return scalar == Scalar::float32 ? 4 : 2; }

// Where a kernel runs. `scratch` gives memory of the device that lives until the kernels launched here have ended.
struct Place {
    int device = 0;
    void* stream = nullptr;
    std::function<void*(std::size_t)> scratch;
};

// Edges sorted by destination. Index arrays are int64 where `wide`, else int32; `row` null: the edge's own position
// (segments of rows); `perm` null: edge e's weight stands at e.
struct Csc {
    const std::int64_t* colptr = nullptr;
    const void* row = nullptr;
    const void* perm = nullptr;
    bool wide = false;
    std::int64_t num_dst = 0;
    std::int64_t num_edges = 0;
};

// Weights of edges, (edges, heads); null: all one.
struct Factors {
    const void* at = nullptr;
    Scalar dtype = Scalar::float32;
    std::int64_t heads = 1;
};

enum Reduce { kSum, kMean, kMin, kMax, kVar, kStd, kReduces };

// Messages weight[e, h] * x[row[e], h, :] and what becomes of them; `width` counts all heads. Results that are not
// wanted are null. Consecutive destinations are `stride` elements apart in `out`, `width` in the others.
struct Aggregation {
    Csc edges;
    Scalar dtype = Scalar::float32;
    const void* x = nullptr;
    Factors weight;
    std::int64_t width = 0;
    std::int64_t stride = 0;
    void* out[kReduces] = {};          // variance: E[(m - E[m])^2]; its root is 0 where that is at most 1e-5
    float* average = nullptr;          // the mean, unrounded, for the gradient of the variance
    std::int32_t* argmin = nullptr;    // rank of the chosen edge in its destination (the first of equals), or -1
    std::int32_t* argmax = nullptr;
};
void aggregate(const Aggregation& a, const Place& place);

// Backward, the gradient of one message is linear[d] + curved[d] * message + (the extremes', where they chose it):
// linear = sum' + mean' / n - curved * average, curved = (2 var' + std' / std) / n, a prime marking the gradient.
struct Gradient {
    Csc edges;                         // of the forward pass
    Scalar dtype = Scalar::float32;    // of grad, deviation and x
    std::int64_t width = 0;
    std::int64_t stride = 0;           // between destinations of grad and deviation
    const void* grad[kReduces] = {};
    const void* deviation = nullptr;   // what forward returned
    const float* average = nullptr;
    const std::int32_t* argmin = nullptr;
    const std::int32_t* argmax = nullptr;
    const float* folded = nullptr;     // what fold() made: (destinations, 1 or 2, width); null: grad[kSum] is linear
};
// folded, (destinations, 1, width): linear; or with `average` (destinations, 2, width): and curved.
void fold(const Gradient& g, float* folded, const Place& place);

// Gradient of the rows of x. `view` holds the edges by source: colptr over sources, row the destinations, perm the
// positions of the edges in the forward order (needed with weights and extremes). out: (sources, width) of `dtype`.
void by_source(const Gradient& g, const Csc& view, const void* x, const Factors& weight, void* out, const Place& place);

// The same for segments of rows: out (edges, width) of `dtype`.
void spread(const Gradient& g, const void* x, void* out, const Place& place);

// out[e, h] = dot(gradient of message e, x[row[e], h]), of `dtype`: the gradient of the weights.
void by_edge(const Gradient& g, const void* x, const Factors& weight, void* out, Scalar dtype, const Place& place);

// score = leaky_relu(src[row[e]] + dst[d] + edge[e]); every part may be missing. All are (., heads) of `dtype`.
struct Scores {
    Csc edges;
    Scalar dtype = Scalar::float32;
    const void* src = nullptr;
    const void* dst = nullptr;
    const void* edge = nullptr;
    std::int64_t heads = 1;
    float slope = 1;                   // 1: no leaky_relu
};
// out: (edges, heads) probabilities of each destination.
void softmax(const Scores& s, void* out, const Place& place);
// From prob and its gradient: out (edges, heads), the gradient of the sum inside leaky_relu; by_dst (destinations,
// heads), its sum.
void softmax_backward(const Scores& s, const void* prob, const void* grad, void* out, void* by_dst, const Place& place);

// Largest score of a destination's edges and the inverse of the sum of exp(score - peak), both (destinations, heads).
struct Levels {
    float* peak = nullptr;
    float* scale = nullptr;
};
// Softmax of the scores and the sum of x[row[e], h, :] that it weighs, in one pass; out (destinations, width).
void attend(const Scores& s, const void* x, std::int64_t width, void* out, const Levels& levels, const Place& place);
// Backward, both (edges, heads) in float32: the probabilities, and the gradient of the sum inside leaky_relu, from
// mixed (destinations, heads), the dot products of out and its gradient.
void attend_backward(const Scores& s, const void* x, const void* grad, std::int64_t width, const Levels& levels,
                     const float* mixed, float* prob, float* score_grad, const Place& place);
// out[i, h] = dot(a[i, h, :], b[i, h, :]); `width` counts all heads.
void row_dots(Scalar dtype, const void* a, const void* b, std::int64_t rows, std::int64_t heads, std::int64_t width,
              float* out, const Place& place);

// Segments of rows x (edges, width): out (destinations, width); -inf without edges.
void logsumexp(const Csc& segments, Scalar dtype, const void* x, std::int64_t width, void* out, const Place& place);
void logsumexp_backward(const Csc& segments, Scalar dtype, const void* x, const void* result, const void* grad,
                        std::int64_t width, void* out, const Place& place);

// out[i] = x[index[i]]: rows of `bytes` bytes, any dtype.
void gather(const void* x, const void* index, bool wide, std::int64_t count, std::int64_t bytes, void* out, const Place& place);

// Rows of `types` types, sorted; type t has rows ptr[t] to ptr[t + 1] (null: there is one type). `tf32`: float32 is
// rounded to ten bits of fraction and multiplied on tensor cores.
struct TypedRows {
    Scalar dtype = Scalar::float32;
    bool tf32 = false;
    const std::int64_t* ptr = nullptr;
    std::int64_t types = 0;
    std::int64_t rows = 0;
};
// out (rows, n) = x (rows, k) weight[type] + bias[type]; weight (types, k, n), or (types, n, k) where turned.
void segment_matmul(const TypedRows& r, const void* x, const void* weight, bool turned, const void* bias, std::int64_t k,
                    std::int64_t n, void* out, const Place& place);
// out (types, m, n): of each type x (rows, m)' grad (rows, n).
void segment_outer(const TypedRows& r, const void* x, const void* grad, std::int64_t m, std::int64_t n, void* out, const Place& place);

// c (m, n) = a (m, k) b + bias; b (k, n), or (n, k) where turned.
struct Factor {
    const void* a = nullptr;
    const void* b = nullptr;
    const void* bias = nullptr;
    void* c = nullptr;
    std::int64_t m = 0, n = 0, k = 0;
};
void grouped_matmul(Scalar dtype, bool tf32, const std::vector<Factor>& factors, bool turned, const Place& place);

}  // namespace gnnctl::cuda
