// Aggregation of messages over destination-sorted edges (SpMM), and of segments of rows.
//
// Cost of one pass over E edges to D destinations of width F in elements of s bytes: reads E (F s + 4) for the rows and
// their indices (8 more with int64 ids, 4 a head for weights, 4 more through a permutation), 8 D for colptr; writes
// D F s for every result and 4 D F for an arg. Operations: E F for a sum (2 E F weighted), 7 E F for moments. At any
// width the floor is the bytes over the memory's bandwidth: an H100 has about 20 float32 operations for each byte.
#include "aggregate.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S, int N, bool MayBeWeighted, Keep Kept>
void run(const Aggregation& a, const Place& place) {
    Aggregate<S, N, MayBeWeighted, Kept> reducer;
    reducer.row = a.edges.row;
    reducer.wide = a.edges.wide;
    reducer.weight = a.weight;
    reducer.perm = a.edges.perm;
    reducer.x = static_cast<const S*>(a.x);
    reducer.width = a.width;
    reducer.head_width = static_cast<unsigned>(a.width / a.weight.heads);
    reducer.sign = 1;
    for (int r = 0; r < kReduces; ++r) reducer.results.out[r] = static_cast<S*>(a.out[r]);
    reducer.results.stride = a.stride;
    reducer.results.average = a.average;
    reducer.results.argmin = a.argmin;
    reducer.results.argmax = a.argmax;
    if (Kept == Keep::extreme && a.out[kMin] != nullptr) {
        reducer.sign = -1;
        reducer.results.out[kMax] = static_cast<S*>(a.out[kMin]);
        reducer.results.argmax = a.argmin;
    }
    run_walk("aggregate", reducer, a.edges, a.width / N, place);
}

template <typename S, int N>
void run_wanted(const Aggregation& a, const Place& place) {
    const bool sum = a.out[kSum] != nullptr || a.out[kMean] != nullptr, least = a.out[kMin] != nullptr, most = a.out[kMax] != nullptr;
    const bool moments = a.out[kVar] != nullptr || a.out[kStd] != nullptr;
    if (moments || least + most + sum > 1) run<S, N, true, Keep::everything>(a, place);
    else if (!sum) run<S, N, true, Keep::extreme>(a, place);
    else if (a.weight.at != nullptr) run<S, N, true, Keep::sum>(a, place);
    else run<S, N, false, Keep::sum>(a, place);
}

template <typename S>
bool vectorised(const Aggregation& a) {
    bool fit = fits<S>(a.width, a.weight.at == nullptr ? 1 : a.weight.heads, a.x, a.average, a.argmin, a.argmax) && a.stride % kFull<S> == 0;
    for (const void* out : a.out) fit = fit && aligned(out, 16);
    return fit;
}

}  // namespace

void aggregate(const Aggregation& a, const Place& place) {
    with_scalar(a.dtype, [&]<typename S>() {
        if (vectorised<S>(a)) run_wanted<S, kFull<S>>(a, place);
        else run_wanted<S, 1>(a, place);
    });
}

}  // namespace gnnctl::cuda
