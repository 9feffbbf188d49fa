// Graph attention in one pass, and its gradient edge by edge.
//
// Cost for E edges, D destinations, width F of H heads, elements of s bytes. attend reads E (F s + H s + 4), a source's
// row, its scores and its index (E H s more with edge scores), and D H s; writes D (F s + 8 H). The scores go through
// one exponential for each vector of features. attend_backward: 2 E F s at worst for both ends' rows (D F s instead of
// half of it where the caches hold a destination's row), 8 E H written; the sums of that by destination and by source,
// and of the rows' gradient, are aggregations of their own.
#include "attend.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S, int N>
void run_attend(const Scores& s, const void* x, Index width, void* out, const Levels& levels, const Place& place) {
    Attend<S, N> reducer;
    reducer.scores = {s};
    reducer.x = static_cast<const S*>(x);
    reducer.width = width;
    reducer.head_width = static_cast<unsigned>(width / s.heads);
    reducer.out = static_cast<S*>(out);
    reducer.levels = levels;
    run_walk("attend", reducer, s.edges, width / N, place);
}

template <typename S, int N>
void run_backward(const Scores& s, const void* x, const void* grad, Index width, const Levels& levels, const float* mixed, float* prob, float* score_grad, const Place& place) {
    const int lanes = dot_lanes(width / s.heads / N);
    launch("attend_backward", attend_dots<S, N>, dot_blocks(s.edges.num_edges, lanes), kDotThreads, place, ScoreSource<S, 1>{s},
           static_cast<const S*>(x), static_cast<const S*>(grad), width, levels, mixed, prob, score_grad, lanes);
}

}  // namespace

void attend(const Scores& s, const void* x, Index width, void* out, const Levels& levels, const Place& place) {
    with_scalar(s.dtype, [&]<typename S>() {
        if (fits<S>(width, s.heads, x, out)) run_attend<S, kFull<S>>(s, x, width, out, levels, place);
        else run_attend<S, 1>(s, x, width, out, levels, place);
    });
}

void attend_backward(const Scores& s, const void* x, const void* grad, Index width, const Levels& levels, const float* mixed, float* prob, float* score_grad, const Place& place) {
    with_scalar(s.dtype, [&]<typename S>() {
        if (fits<S>(width, s.heads, x, grad)) run_backward<S, kFull<S>>(s, x, grad, width, levels, mixed, prob, score_grad, place);
        else run_backward<S, 1>(s, x, grad, width, levels, mixed, prob, score_grad, place);
    });
}

}  // namespace gnnctl::cuda
