// Edge softmax fused with the sum it weighs (graph attention): one pass over the edges, nothing stored for an edge.
#pragma once

#include "dots.cuh"
#include "softmax.cuh"

namespace gnnctl::cuda {

template <typename S, int N>
struct Attend {
    static constexpr bool joined = true;
    static constexpr int in_flight = 4;
    struct Slot {
        Index feature;
        Index head;
    };
    struct Item {
        Pack<S, N> x;
        typename ScoreSource<S, 1>::Item score;
    };
    struct State {
        float dst[1];
        Level level;
        float sum[N];
    };

    ScoreSource<S, 1> scores;
    const S* x;
    Index width;
    unsigned head_width;
    S* out;
    Levels levels;

    __device__ __forceinline__ Slot slot(Index s) const { return {s * N, static_cast<Index>(static_cast<unsigned>(s) * N / head_width)}; }

    __device__ __forceinline__ void open(State& state, const Slot& slot, Index d) const {
        scores.open(state.dst, d, slot.head);
        state.level.clear();
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] = 0;
    }

    __device__ __forceinline__ Item fetch(const Slot& slot, Index, Index e) const {
        Item item;
        item.score = scores.fetch(e, slot.head);
        item.x = load<N>(x + index_at(scores.s.edges.row, scores.s.edges.wide, e) * width + slot.feature);
        return item;
    }

    __device__ __forceinline__ void apply(State& state, const Slot&, const Item& item, Index, Index, Index) const {
        const float score = scores.leaky(scores.raw(item.score, state.dst, 0)), scale = state.level.take(score, 1);
        const float share = share_of(score, state.level.peak);
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] = state.sum[i] * scale + share * item.x[i];
    }

    __device__ __forceinline__ void combine(State& state, const State& later) const {
        const float scale = state.level.take(later.level.peak, later.level.sum), share = share_of(later.level.peak, state.level.peak);
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] = state.sum[i] * scale + share * later.sum[i];
    }

    __device__ __forceinline__ void close(const State& state, const Slot& slot, Index d, Index count) const {
        const float inverse = count > 0 ? state.level.inverse() : 0;
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = state.sum[i] * inverse;
        store(out + d * width + slot.feature, values);
        if (slot.feature % head_width == 0) {  // one of the head's threads
            const float peak[1] = {state.level.peak}, scale[1] = {inverse};
            store(levels.peak + d * scores.s.heads + slot.head, peak);
            store(levels.scale + d * scores.s.heads + slot.head, scale);
        }
    }
};

// The probabilities again, and the gradient of the sum inside leaky_relu: prob * (dot(grad, x) - mixed) * leaky'.
template <typename S, int N>
__global__ void __launch_bounds__(kDotThreads, 4) attend_dots(ScoreSource<S, 1> scores, const S* x, const S* grad, Index width, Levels levels, const float* mixed, float* prob, float* score_grad, int lanes) {
    const Csc& edges = scores.s.edges;
    const DotPlace place(edges.num_edges, lanes);
    const Index e = place.row, source = index_at(edges.row, edges.wide, e), d = destination_of(edges, e), heads = scores.s.heads;
    const Index head_width = width / heads;
    for (Index h = 0; h < heads; ++h) {
        float part = 0;
        for (Index f = h * head_width + place.lane * N; f < (h + 1) * head_width; f += lanes * N) {
            const Pack<S, N> left = load<N>(grad + d * width + f), right = load<N>(x + source * width + f);
#pragma unroll
            for (int i = 0; i < N; ++i) part += left[i] * right[i];
        }
        part = total(part, lanes);
        if (!place.there || place.lane != 0) continue;
        float dst[1];
        scores.open(dst, d, h);
        const float raw = scores.raw(scores.fetch(e, h), dst, 0);
        const float share = share_of(scores.leaky(raw), load<1>(levels.peak + d * heads + h)[0]) * load<1>(levels.scale + d * heads + h)[0];
        const float by_score = share * (part - load<1>(mixed + d * heads + h)[0]);
        store_one(prob, Scalar::float32, e * heads + h, share);
        store_one(score_grad, Scalar::float32, e * heads + h, raw > 0 ? by_score : by_score * scores.s.slope);
    }
}

}  // namespace gnnctl::cuda
