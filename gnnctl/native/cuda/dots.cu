// Dot products of rows and along edges.
//
// Cost for E edges of width F in elements of s bytes and H heads: by_edge reads E F s for sources and their indices (4
// E), D F s for destinations where the caches hold a destination while its edges pass (E F s otherwise), writes E H s;
// 2 E F operations. Extremes read (s + 4) F more a destination. row_dots: 2 s F + 4 H for each row.
#include "dots.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S, int N>
void run_by_edge(const Gradient& g, const void* x, const Factors& weight, void* out, Scalar dtype, const Place& place) {
    const Index heads = weight.heads;
    const int lanes = dot_lanes(g.width / heads / N);
    const auto kernel = g.folded != nullptr || g.argmin != nullptr || g.argmax != nullptr ? weight_dots<S, N, true> : weight_dots<S, N, false>;
    launch("by_edge", kernel, dot_blocks(g.edges.num_edges, lanes), kDotThreads, place, GradientOf<S>{g}, static_cast<const S*>(x),
           weight, heads, out, dtype, lanes);
}

template <typename S, int N>
void run_row_dots(const void* a, const void* b, Index rows, Index heads, Index width, float* out, const Place& place) {
    const int lanes = dot_lanes(width / heads / N);
    launch("row_dots", dot_rows<S, N>, dot_blocks(rows, lanes), kDotThreads, place, static_cast<const S*>(a), static_cast<const S*>(b),
           rows, heads, width, out, lanes);
}

}  // namespace

void by_edge(const Gradient& g, const void* x, const Factors& weight, void* out, Scalar dtype, const Place& place) {
    with_scalar(g.dtype, [&]<typename S>() {
        bool full = fits<S>(g.width, weight.heads, g.argmin, g.argmax, g.folded, x) && g.stride % kFull<S> == 0;
        for (const void* grad : g.grad) full = full && aligned(grad, 16);
        if (full) run_by_edge<S, kFull<S>>(g, x, weight, out, dtype, place);
        else run_by_edge<S, 1>(g, x, weight, out, dtype, place);
    });
}

void row_dots(Scalar dtype, const void* a, const void* b, Index rows, Index heads, Index width, float* out, const Place& place) {
    with_scalar(dtype, [&]<typename S>() {
        if (fits<S>(width, heads, a, b)) run_row_dots<S, kFull<S>>(a, b, rows, heads, width, out, place);
        else run_row_dots<S, 1>(a, b, rows, heads, width, out, place);
    });
}

}  // namespace gnnctl::cuda
