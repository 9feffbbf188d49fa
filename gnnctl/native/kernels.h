// Arguments and tables of the aggregation kernels, which are compiled once per instruction set.
#pragma once

#include <cstdint>

namespace gnnctl {

enum class DType { float32, float64, bfloat16, float16, int32, int64 };  // the codes of gnnctl/nn/ops/checks.py

// Half precision is stored, never computed in: kernels load it into float32 and round once, when they store.
constexpr DType compute_dtype(DType dtype) { return dtype == DType::float64 ? dtype : DType::float32; }
constexpr std::int64_t size_of(DType dtype) {
    return dtype == DType::float64 || dtype == DType::int64 ? 8 : dtype == DType::bfloat16 || dtype == DType::float16 ? 2 : 4;
}
struct Bf16 {
    std::uint16_t bits;
};
struct F16 {
    std::uint16_t bits;
};

// Edges are sorted by destination: destination d owns the positions colptr[d] .. colptr[d + 1]. Index arrays are int64
// where `wide`, else int32.
struct Edges {
    const std::int64_t* colptr = nullptr;
    const void* row = nullptr;   // source of each edge; null: the edge's own position (segments)
    const void* perm = nullptr;  // where edge e's weight stands; null: at e
    std::int64_t num_dst = 0;
    std::int64_t num_src = 0;
    std::int64_t num_edges = 0;
    bool wide = false;
};

// What travels along edge e: weight[e, h] * x[row[e], h, :]. Features are (sources, heads, width), weights
// (edges, heads) of the type that x is computed in; heads is 1 unless weights differ by head.
constexpr std::int64_t kMostHeads = 1024;
struct Messages {
    Edges edges;
    DType dtype = DType::float32;
    const void* x = nullptr;
    const void* weight = nullptr;
    std::int64_t heads = 1;
    std::int64_t width = 0;
};

enum Reduce { kSum, kMean, kMin, kMax, kVar, kStd, kMul, kReduces };  // kMul only alone

// Results per destination; those not wanted are null. Consecutive destinations are `stride` elements apart in `out`,
// heads * width in the others.
struct AggregateArgs {
    Messages messages;
    std::int64_t stride = 0;
    void* out[kReduces] = {};           // variance: E[(m - E[m])^2]; its root is 0 where that is at most 1e-5
    void* average = nullptr;            // the mean again, unrounded, for the gradient of the variance
    std::int32_t* argmin = nullptr;     // rank of the chosen edge in its destination (the first of equals), or -1
    std::int32_t* argmax = nullptr;
    bool streaming = false;             // out is too large for the caches: store past them
};

// Backward, the gradient of one message is linear[d] + curved[d] * message + (the extremes', where they chose it):
// linear = sum' + mean' / n - curved * average, curved = (2 var' + std' / std) / n, a prime marking the gradient.
struct GradientArgs {
    Edges edges;
    DType dtype = DType::float32;       // of grad, deviation, x and spread's out
    std::int64_t width = 0;             // of all heads
    std::int64_t stride = 0;            // between destinations of grad and deviation
    const void* grad[kReduces] = {};
    const void* deviation = nullptr;    // what forward returned
    const void* average = nullptr;
    const std::int32_t* argmin = nullptr;
    const std::int32_t* argmax = nullptr;
    const void* x = nullptr;            // spread: the edges' rows
    void* out = nullptr;                // spread: (edges, width); fold: (destinations, 1 or 2, width) of compute type
};

// Sampled products: out[e, h] = dot(grad[d, h], x[row[e], h]), the gradient of the weights.
struct DotArgs {
    Messages messages;
    const void* grad = nullptr;         // (destinations, heads, width)
    void* out = nullptr;                // (edges, heads), of the compute type
    bool mean = false;
};

// Both gradients of a weighted sum, over the view by source: `messages` are the gradients of destinations along the
// edges of each source, out[s] = sum of weight[e] * grad[d], dots[e] = dot(grad[d], x[s]).
struct WeightedGradientArgs {
    Messages messages;
    const void* x = nullptr;            // (sources, heads, width)
    void* out = nullptr;                // the same
    void* dots = nullptr;               // (edges, heads), of the compute type, where the weights stand
};

// score = leaky_relu(src[row[e]] + dst[d] + edge[e]); every part may be missing. All are (., heads).
struct AttentionArgs {
    Edges edges;
    const void* src = nullptr;
    const void* dst = nullptr;
    const void* edge = nullptr;
    const void* prob = nullptr;      // backward: what forward returned
    const void* grad = nullptr;      // backward: gradient of prob
    void* out = nullptr;             // forward: probabilities; backward: gradient of the sum inside leaky_relu
    void* grad_dst = nullptr;        // backward: its sum per destination, or null
    std::int64_t heads = 1;
    double slope = 1.0;              // 1: no leaky_relu
};

// Rows of segments; result and grad are of destinations.
struct SegmentArgs {
    Edges edges;
    std::int64_t width = 0;
    const void* x = nullptr;
    const void* result = nullptr;    // backward: what forward returned
    const void* grad = nullptr;
    void* out = nullptr;             // forward: (destinations, width); backward: (edges, width)
};

enum Interpolation { kLinear, kLower, kHigher, kNearest, kMidpoint };

// Quantiles of segments: out (destinations, count, width); rank (destinations, count, 2, width), the rows between which
// each lies, or -1.
struct QuantileArgs {
    Edges edges;
    std::int64_t width = 0;
    std::int64_t count = 0;
    const double* q = nullptr;
    Interpolation interpolation = kLinear;
    const void* x = nullptr;
    void* out = nullptr;
    std::int32_t* rank = nullptr;
};

// Dropout of `count` elements, kDropoutBlock to a block, for which bits are drawn by themselves.
constexpr std::int64_t kDropoutBlock = 4096;
struct DropoutArgs {
    const float* x = nullptr;
    float* out = nullptr;
    std::int64_t count = 0;
    std::uint64_t key = 0;
    std::uint32_t threshold = 0;     // an element goes where its 16 bits are below
    float scale = 1.0F;
};

// Each works on destinations [first, last), every one reduced in edge order.
template <typename Args>
using Kernel = void (*)(const Args&, std::int64_t first, std::int64_t last);

struct KernelTable {
    Kernel<AggregateArgs> aggregate;  // whatever is wanted, in one pass over the edges
    Kernel<GradientArgs> spread;      // the gradient of each edge's row
    Kernel<GradientArgs> fold;        // linear and, where the variance is wanted, curved
    Kernel<DotArgs> dots;
    Kernel<WeightedGradientArgs> weighted_gradient;
    Kernel<AttentionArgs> attention;
    Kernel<AttentionArgs> attention_backward;
    Kernel<SegmentArgs> logsumexp;
    Kernel<SegmentArgs> logsumexp_backward;
    Kernel<SegmentArgs> product_backward;    // of the compute type
    Kernel<QuantileArgs> quantile;
};

// The best table that this processor can run; float64 has only the portable one.
const KernelTable& kernels_for(DType dtype);
const char* kernels_name();
Kernel<DropoutArgs> dropout_kernel();  // works on blocks [first, last)

struct KernelSet {
    KernelTable f32, bf16, f16;
    Kernel<DropoutArgs> dropout;
};
namespace portable {
extern const KernelSet set;
extern const KernelTable f64;
}
#if defined(__x86_64__) && defined(__GNUC__)
#define GNNCTL_X86 1
namespace avx2 { extern const KernelSet set; }
namespace avx512 { extern const KernelSet set; }
#endif

}  // namespace gnnctl
