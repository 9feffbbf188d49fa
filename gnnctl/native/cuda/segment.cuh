// Log of the sum of exponentials of segments of rows.
#pragma once

#include "softmax.cuh"

namespace gnnctl::cuda {

template <typename S, int N>
struct LogSumExp {
    static constexpr bool joined = true;
    static constexpr int in_flight = 4;
    using Slot = Index;
    using Item = Pack<S, N>;
    struct State {
        Level level[N];
    };

    const S* x;
    Index width;
    S* out;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }
    __device__ __forceinline__ void open(State& state, Slot, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].clear();
    }
    __device__ __forceinline__ Item fetch(Slot f, Index, Index e) const { return load<N>(x + e * width + f); }
    __device__ __forceinline__ void apply(State& state, Slot, const Item& item, Index, Index, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].take(item[i], 1);
    }
    __device__ __forceinline__ void combine(State& state, const State& later) const {
#pragma unroll
        for (int i = 0; i < N; ++i) state.level[i].take(later.level[i].peak, later.level[i].sum);
    }
    __device__ __forceinline__ void close(const State& state, Slot f, Index d, Index) const {
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            const Level& level = state.level[i];
            values[i] = level.sum == 0 ? -INFINITY : logf(level.sum) + level.peak;
        }
        store(out + d * width + f, values);
    }
};

// grad[d] * exp(x - result[d])
template <typename S, int N>
struct LogSumExpGradient {
    static constexpr bool joined = false;
    static constexpr int in_flight = 4;
    using Slot = Index;
    using Item = Pack<S, N>;
    struct State {
        Pack<S, N> result, grad;
    };

    const S* x;
    const S* result;
    const S* grad;
    Index width;
    S* out;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }
    __device__ __forceinline__ void open(State& state, Slot f, Index d) const {
        state.result = load<N>(result + d * width + f);
        state.grad = load<N>(grad + d * width + f);
    }
    __device__ __forceinline__ Item fetch(Slot f, Index, Index e) const { return load<N>(x + e * width + f); }
    __device__ __forceinline__ void apply(State& state, Slot f, const Item& item, Index, Index e, Index) const {
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = item[i] == -INFINITY ? 0 : state.grad[i] * share_of(item[i], state.result[i]);
        store(out + e * width + f, values);
    }
};

}  // namespace gnnctl::cuda
