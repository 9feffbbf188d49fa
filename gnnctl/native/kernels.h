// Arguments and tables of the aggregation kernels, which are compiled once per instruction set.
#pragma once

#include <cstdint>

namespace gnnctl {

// Edges are sorted by destination: destination d owns the positions colptr[d] .. colptr[d + 1]. Features are
// (nodes, heads, width), contiguous. Index arrays are int64 where `wide`, else int32.
struct SpmmArgs {
    const std::int64_t* colptr = nullptr;
    const void* row = nullptr;      // source of each edge; null: the edge's own position (a segment reduction)
    const void* perm = nullptr;     // where edge e's weight stands; null: at e. Same index type as row
    const void* x = nullptr;        // (sources, heads, width)
    const void* weight = nullptr;   // (edges, heads) or null
    void* out = nullptr;            // (destinations, heads, width); sddmm: (edges, heads)
    std::int32_t* arg = nullptr;    // (destinations, heads, width): rank of the chosen edge in its destination, or -1
    const std::int64_t* origin = nullptr;  // selected_sum: colptr of the graph before transposition
    const void* grad = nullptr;     // sddmm: gradient of the destinations, (destinations, heads, width)
    std::int64_t heads = 1;
    std::int64_t width = 0;
    std::int64_t last_edge = 0;     // edges in all: how far ahead a prefetch may look
    bool wide = false;
    bool mean = false;
    bool minimum = false;
};

// score = leaky_relu(src[row[e]] + dst[d] + edge[e]); every part may be missing. All are (., heads).
struct AttentionArgs {
    const std::int64_t* colptr = nullptr;
    const void* row = nullptr;
    const void* src = nullptr;
    const void* dst = nullptr;
    const void* edge = nullptr;
    const void* prob = nullptr;      // backward: what forward returned
    const void* grad = nullptr;      // backward: gradient of prob
    void* out = nullptr;             // forward: probabilities; backward: gradient of the sum inside leaky_relu
    void* grad_dst = nullptr;        // backward: its sum per destination, or null
    std::int64_t heads = 1;
    double slope = 1.0;              // 1: no leaky_relu
    bool wide = false;
};

// Each works on destinations [first, last), every one reduced in edge order.
using SpmmKernel = void (*)(const SpmmArgs&, std::int64_t first, std::int64_t last);
using AttentionKernel = void (*)(const AttentionArgs&, std::int64_t first, std::int64_t last);

struct KernelTable {
    SpmmKernel sum;            // out[d] = sum (or mean) of weight * x[row]
    SpmmKernel extremum;       // out[d] = max (or min) of weight * x[row], with arg
    SpmmKernel selected_sum;   // gradient of extremum over the transposed view
    SpmmKernel sddmm;          // out[e] = <grad[d], x[row[e]]>, only where arg chose e if arg is given
    AttentionKernel attention;
    AttentionKernel attention_backward;
};

// The best table that this processor can run; float32 has one per instruction set, float64 the portable one.
const KernelTable& kernels_f32();
const KernelTable& kernels_f64();
const char* kernels_name();

namespace portable { extern const KernelTable table_f32, table_f64; }
#if defined(__x86_64__) && defined(__GNUC__)
#define GNNCTL_X86 1
namespace avx2 { extern const KernelTable table_f32; }
namespace avx512 { extern const KernelTable table_f32; }
#endif

}  // namespace gnnctl
