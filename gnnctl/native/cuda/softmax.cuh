// Softmax of edge scores within each destination, the scores of additive attention computed on the way.
#pragma once

#include "walk.cuh"

namespace gnnctl::cuda {

// exp(value - peak), where both may be the same infinity.
__device__ __forceinline__ float share_of(float value, float peak) { return value == peak ? 1.0f : expf(value - peak); }

// The largest value so far, and the sum of exponentials of what was met, relative to it (Milakov and Gimelshein 2018).
struct Level {
    float peak;
    float sum;

    __device__ __forceinline__ void clear() { peak = -INFINITY, sum = 0; }
    // Takes in a value that stands for `weight` exponentials; returns what the sums so far are to be multiplied with.
    __device__ __forceinline__ float take(float value, float weight) {
        if (value <= peak || value != value) {
            sum += weight * share_of(value, peak);
            return 1;
        }
        const float scale = share_of(peak, value);
        sum = sum * scale + weight;
        peak = value;
        return scale;
    }
    __device__ __forceinline__ float inverse() const { return fabsf(peak) == INFINITY ? NAN : 1 / sum; }
};

// The sum inside leaky_relu for N heads from `h` on; the destination's part is read once for all its edges.
template <typename S, int N>
struct ScoreSource {
    Scores s;

    struct Item {
        Pack<S, N> src;
        Pack<S, N> edge;
    };

    __device__ __forceinline__ void open(float (&dst)[N], Index d, Index h) const {
        if (s.dst != nullptr) {
            const Pack<S, N> found = load<N>(static_cast<const S*>(s.dst) + d * s.heads + h);
#pragma unroll
            for (int i = 0; i < N; ++i) dst[i] = found[i];
        } else {
#pragma unroll
            for (int i = 0; i < N; ++i) dst[i] = 0;
        }
    }
    __device__ __forceinline__ Item fetch(Index e, Index h) const {
        Item item = {};
        if (s.src != nullptr) item.src = load<N>(static_cast<const S*>(s.src) + index_at(s.edges.row, s.edges.wide, e) * s.heads + h);
        if (s.edge != nullptr) item.edge = load<N>(static_cast<const S*>(s.edge) + e * s.heads + h);
        return item;
    }
    __device__ __forceinline__ float raw(const Item& item, const float (&dst)[N], int i) const {
        float score = dst[i];
        if (s.src != nullptr) score += item.src[i];
        if (s.edge != nullptr) score += item.edge[i];
        return score;
    }
    __device__ __forceinline__ float leaky(float score) const { return score > 0 ? score : score * s.slope; }
};

template <typename S, int N>
struct ScoreSlots {
    using Slot = Index;
    using Item = typename ScoreSource<S, N>::Item;

    ScoreSource<S, N> scores;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }
    __device__ __forceinline__ Item fetch(Slot h, Index, Index e) const { return scores.fetch(e, h); }
    __device__ __forceinline__ Index heads() const { return scores.s.heads; }
};

// First pass: the level of every destination and head.
template <typename S, int N>
struct ScoreLevels : ScoreSlots<S, N> {
    static constexpr bool joined = true;
    static constexpr int in_flight = 4;
    struct State {
        float dst[N];
        Level level[N];
    };
    using typename ScoreSlots<S, N>::Item;

    Levels levels;

    __device__ __forceinline__ void open(State& state, Index h, Index d) const {
        this->scores.open(state.dst, d, h);
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].clear();
    }
    __device__ __forceinline__ void apply(State& state, Index, const Item& item, Index, Index, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].take(this->scores.leaky(this->scores.raw(item, state.dst, i)), 1);
    }
    __device__ __forceinline__ void combine(State& state, const State& later) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].take(later.level[i].peak, later.level[i].sum);
    }
    __device__ __forceinline__ void close(const State& state, Index h, Index d, Index) const {
        float peak[N], scale[N];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            peak[i] = state.level[i].peak;
            scale[i] = state.level[i].inverse();
        }
        store(levels.peak + d * this->heads() + h, peak);
        store(levels.scale + d * this->heads() + h, scale);
    }
};

// Second pass: the probabilities.
template <typename S, int N>
struct ScoreShares : ScoreSlots<S, N> {
    static constexpr bool joined = false;
    static constexpr int in_flight = 4;
    struct State {
        float dst[N], peak[N], scale[N];
    };
    using typename ScoreSlots<S, N>::Item;

    Levels levels;
    S* out;

    __device__ __forceinline__ void open(State& state, Index h, Index d) const {
        this->scores.open(state.dst, d, h);
        const Pack<float, N> peak = load<N>(levels.peak + d * this->heads() + h), scale = load<N>(levels.scale + d * this->heads() + h);
#pragma unroll
        for (int i = 0; i < N; ++i) {
            state.peak[i] = peak[i];
            state.scale[i] = scale[i];
        }
    }
    __device__ __forceinline__ void apply(State& state, Index h, const Item& item, Index, Index e, Index) const {
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i)
            values[i] = share_of(this->scores.leaky(this->scores.raw(item, state.dst, i)), state.peak[i]) * state.scale[i];
        store(out + e * this->heads() + h, values);
    }
};

// Backward, first pass: mixed[d, h], the sum of prob * grad.
template <typename S, int N>
struct ScoreMix {
    static constexpr bool joined = true;
    static constexpr int in_flight = 4;
    using Slot = Index;
    struct Item {
        Pack<S, N> prob, grad;
    };
    struct State {
        float sum[N];
    };

    const S* prob;
    const S* grad;
    Index heads;
    float* mixed;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }
    __device__ __forceinline__ void open(State& state, Slot, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] = 0;
    }
    __device__ __forceinline__ Item fetch(Slot h, Index, Index e) const { return {load<N>(prob + e * heads + h), load<N>(grad + e * heads + h)}; }
    __device__ __forceinline__ void apply(State& state, Slot, const Item& item, Index, Index, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] += item.prob[i] * item.grad[i];
    }
    __device__ __forceinline__ void combine(State& state, const State& later) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] += later.sum[i];
    }
    __device__ __forceinline__ void close(const State& state, Slot h, Index d, Index) const { store(mixed + d * heads + h, state.sum); }
};

// Backward, second pass: the gradient of every score inside leaky_relu, and its sum by destination.
template <typename S, int N>
struct ScoreGradient {
    static constexpr bool joined = true;
    static constexpr int in_flight = 2;
    using Slot = Index;
    struct Item {
        Pack<S, N> prob, grad;
        typename ScoreSource<S, N>::Item score;
    };
    struct State {
        float dst[N], mixed[N], sum[N];
    };

    ScoreSource<S, N> scores;
    const S* prob;
    const S* grad;
    const float* mixed;
    S* out;
    S* by_dst;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }
    __device__ __forceinline__ void open(State& state, Slot h, Index d) const {
        scores.open(state.dst, d, h);
        const Pack<float, N> found = load<N>(mixed + d * scores.s.heads + h);
#pragma unroll
        for (int i = 0; i < N; ++i) {
            state.mixed[i] = found[i];
            state.sum[i] = 0;
        }
    }
    __device__ __forceinline__ Item fetch(Slot h, Index, Index e) const {
        Item item = {};
        item.prob = load<N>(prob + e * scores.s.heads + h);
        item.grad = load<N>(grad + e * scores.s.heads + h);
        if (scores.s.slope != 1) item.score = scores.fetch(e, h);
        return item;
    }
    __device__ __forceinline__ void apply(State& state, Slot h, const Item& item, Index, Index e, Index) const {
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            values[i] = item.prob[i] * (item.grad[i] - state.mixed[i]);
            if (scores.s.slope != 1 && !(scores.raw(item.score, state.dst, i) > 0)) values[i] *= scores.s.slope;
            state.sum[i] += values[i];
        }
        store(out + e * scores.s.heads + h, values);
    }
    __device__ __forceinline__ void combine(State& state, const State& later) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.sum[i] += later.sum[i];
    }
    __device__ __forceinline__ void close(const State& state, Slot h, Index d, Index) const { store(by_dst + d * scores.s.heads + h, state.sum); }
};

}  // namespace gnnctl::cuda
