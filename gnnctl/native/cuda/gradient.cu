// Gradients of aggregations for features.
//
// Cost for E edges, D destinations, S sources, width F, elements of s bytes. fold: D F (2 s + 4). by_source, the sum
// alone: that of the aggregation over the other view; with a mean 4 E F + E 4 + S F s; with extremes E F (s + 4) more
// for each, and 12 E for positions and ranks; with moments 4 E F more. spread: D F s + E F s, and E F s more with
// moments. All are bound by memory.
#include "gradient.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S>
bool vectorised(const Gradient& g, Index heads) {
    bool fit = fits<S>(g.width, heads, g.deviation, g.average, g.argmin, g.argmax, g.folded) && g.stride % kFull<S> == 0;
    for (const void* grad : g.grad) fit = fit && aligned(grad, 16);
    return fit;
}

template <typename S, int N>
void run_fold(const Gradient& g, float* folded, const Place& place) {
    const Layout layout(g.edges.num_dst, g.width / N);
    launch("fold", fold_rows<S, N>, layout.blocks(), layout.threads(), place, GradientOf<S>{g}, layout, folded);
}

template <typename S, int N>
void run_spread(const Gradient& g, const void* x, void* out, const Place& place) {
    const SpreadRows<S, N> reducer{{g}, static_cast<const S*>(x), static_cast<S*>(out)};
    run_walk("spread", reducer, g.edges, g.width / N, place);
}

template <typename S, int N, bool All>
void run_by_source(const Gradient& g, const Csc& view, const void* x, const Factors& weight, void* out, const Place& place) {
    SumBySource<S, N, All> reducer;
    reducer.gradient = {g};
    reducer.view = view;
    reducer.weight = weight;
    reducer.row = g.average == nullptr ? g.width : 2 * g.width;
    reducer.head_width = static_cast<unsigned>(g.width / weight.heads);
    reducer.x = static_cast<const S*>(x);
    reducer.out = static_cast<S*>(out);
    run_walk("by_source", reducer, view, g.width / N, place);
}

template <typename S, bool All>
void run_by_source(const Gradient& g, const Csc& view, const void* x, const Factors& weight, void* out, const Place& place) {
    const bool full = vectorised<S>(g, weight.at == nullptr ? 1 : weight.heads) && aligned(x, 16) && aligned(out, 16);
    if (full) run_by_source<S, kFull<S>, All>(g, view, x, weight, out, place);
    else run_by_source<S, 1, All>(g, view, x, weight, out, place);
}

}  // namespace

void fold(const Gradient& g, float* folded, const Place& place) {
    with_scalar(g.dtype, [&]<typename S>() {
        if (vectorised<S>(g, 1) && aligned(folded, 16)) run_fold<S, kFull<S>>(g, folded, place);
        else run_fold<S, 1>(g, folded, place);
    });
}

void spread(const Gradient& g, const void* x, void* out, const Place& place) {
    with_scalar(g.dtype, [&]<typename S>() {
        if (vectorised<S>(g, 1) && aligned(x, 16) && aligned(out, 16)) run_spread<S, kFull<S>>(g, x, out, place);
        else run_spread<S, 1>(g, x, out, place);
    });
}

void by_source(const Gradient& g, const Csc& view, const void* x, const Factors& weight, void* out, const Place& place) {
    const bool extremes = g.argmin != nullptr || g.argmax != nullptr;
    if (g.folded == nullptr && !extremes) {  // a sum: the aggregation of its gradient over the other view
        Aggregation sum;
        sum.edges = view;
        sum.dtype = g.dtype;
        sum.x = g.grad[kSum];
        sum.weight = weight;
        sum.width = sum.stride = g.width;
        sum.out[kSum] = out;
        return aggregate(sum, place);
    }
    with_scalar(g.dtype, [&]<typename S>() {
        if (extremes || g.average != nullptr) run_by_source<S, true>(g, view, x, weight, out, place);
        else run_by_source<S, false>(g, view, x, weight, out, place);
    });
}

}  // namespace gnnctl::cuda
