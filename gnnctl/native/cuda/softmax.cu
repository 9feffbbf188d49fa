// Softmax of edge scores, and its gradient.
//
// Cost for E edges, H heads, elements of s bytes. softmax: the scores twice (E H s for each of edge and src, and 4 E for
// indices where there is a src), E H s written, 8 H (s + 4) for a destination; about 10 E H operations. The second pass
// finds the first one's rows in the caches only where a graph is small: a destination cannot be finished in one pass
// without its degree bounding the registers. softmax_backward: prob and grad twice, E H s written.
#include "softmax.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S, int N>
void run_softmax(const Scores& s, void* out, const Place& place) {
    const Levels levels{scratch<float>(place, s.edges.num_dst * s.heads), scratch<float>(place, s.edges.num_dst * s.heads)};
    ScoreLevels<S, N> first;
    first.scores = {s};
    first.levels = levels;
    run_walk("softmax", first, s.edges, s.heads / N, place);
    ScoreShares<S, N> second;
    second.scores = {s};
    second.levels = levels;
    second.out = static_cast<S*>(out);
    run_walk("softmax", second, s.edges, s.heads / N, place);
}

template <typename S, int N>
void run_backward(const Scores& s, const void* prob, const void* grad, void* out, void* by_dst, const Place& place) {
    float* mixed = scratch<float>(place, s.edges.num_dst * s.heads);
    run_walk("softmax_backward", ScoreMix<S, N>{static_cast<const S*>(prob), static_cast<const S*>(grad), s.heads, mixed}, s.edges, s.heads / N, place);
    ScoreGradient<S, N> second{{s}, static_cast<const S*>(prob), static_cast<const S*>(grad), mixed, static_cast<S*>(out), static_cast<S*>(by_dst)};
    run_walk("softmax_backward", second, s.edges, s.heads / N, place);
}

}  // namespace

void softmax(const Scores& s, void* out, const Place& place) {
    with_scalar(s.dtype, [&]<typename S>() {
        if (fits<S>(s.heads, 1, s.src, s.dst, s.edge, out)) run_softmax<S, kFull<S>>(s, out, place);
        else run_softmax<S, 1>(s, out, place);
    });
}

void softmax_backward(const Scores& s, const void* prob, const void* grad, void* out, void* by_dst, const Place& place) {
    with_scalar(s.dtype, [&]<typename S>() {
        if (fits<S>(s.heads, 1, s.src, s.dst, s.edge, prob, grad, out, by_dst)) run_backward<S, kFull<S>>(s, prob, grad, out, by_dst, place);
        else run_backward<S, 1>(s, prob, grad, out, by_dst, place);
    });
}

}  // namespace gnnctl::cuda
