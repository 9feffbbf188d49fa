// Attention and the sum that it weighs, in one pass over the edges: arguments and kernels.
#pragma once

#include <cstdint>

#include "kernels.h"

namespace gnnctl {

// out[d, h] = sum over d's edges of softmax(score)[e, h] * x[row[e], h], with the score of AttentionArgs. Scores, their
// gradients and stats are of the type that x is computed in.
struct FusedArgs {
    AttentionArgs scores;        // its out and grad_dst: where backward puts gradients of scores
    const void* x = nullptr;     // (sources, heads, width)
    const void* grad = nullptr;  // backward: (destinations, heads, width), like x
    void* out = nullptr;         // forward: (destinations, heads, width), like x
    void* prob = nullptr;        // backward: the probabilities, (edges, heads)
    void* stats = nullptr;       // (destinations, 2, heads): largest score, and one over the sum of exponentials
    std::int64_t width = 0;
};

// Each works on destinations [first, last) with scratch of its own.
struct FusedTable {
    void (*forward)(const FusedArgs&, std::int64_t first, std::int64_t last, void* scratch);
    void (*backward)(const FusedArgs&, std::int64_t first, std::int64_t last);
    std::int64_t (*scratch)(std::int64_t heads, std::int64_t width);
};
struct FusedSet {
    FusedTable f32, bf16, f16;
};

namespace portable {
extern const FusedSet fused;
extern const FusedTable fused_f64;
}
#ifdef GNNCTL_X86
namespace avx2 { extern const FusedSet fused; }
namespace avx512 { extern const FusedSet fused; }
#endif

}  // namespace gnnctl
