// Gradients of aggregations, by destination, by source and by edge row. No atomics: a source's gradient is a sum over
// the view by source, where an extreme's gradient belongs to the edge whose rank was chosen.
#pragma once

#include "walk.cuh"

namespace gnnctl::cuda {

template <typename S>
struct GradientOf {
    Gradient g;

    template <int N>
    __device__ __forceinline__ void part(float (&values)[N], Reduce reduce, Index at) const {
        const Pack<S, N> found = load<N>(static_cast<const S*>(g.grad[reduce]) + at);
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = found[i];
    }

    // What messages of destination d have in common, for features [f, f + N).
    template <int N>
    __device__ __forceinline__ void smooth(float (&linear)[N], float (&curved)[N], Index d, Index f) const {
        const Index count = colptr_at(g.edges.colptr, d + 1) - colptr_at(g.edges.colptr, d), at = d * g.stride + f;
        const float inverse = 1 / static_cast<float>(count > 1 ? count : 1);
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) linear[i] = curved[i] = 0;
        if (g.grad[kSum] != nullptr) {
            part(values, kSum, at);
#pragma unroll
            for (int i = 0; i < N; ++i) linear[i] = values[i];
        }
        if (g.grad[kMean] != nullptr) {
            part(values, kMean, at);
#pragma unroll
            for (int i = 0; i < N; ++i) linear[i] += values[i] * inverse;
        }
        if (g.average == nullptr) return;
        if (g.grad[kVar] != nullptr) {
            part(values, kVar, at);
#pragma unroll
            for (int i = 0; i < N; ++i) curved[i] = values[i] * 2 * inverse;
        }
        if (g.grad[kStd] != nullptr) {
            part(values, kStd, at);
            const Pack<S, N> deviation = load<N>(static_cast<const S*>(g.deviation) + at);
#pragma unroll
            for (int i = 0; i < N; ++i) curved[i] += deviation[i] > 0 ? values[i] * inverse / deviation[i] : 0;
        }
        const Pack<float, N> average = load<N>(g.average + d * g.width + f);
#pragma unroll
        for (int i = 0; i < N; ++i) linear[i] -= curved[i] * average[i];
    }

    // Adds an extreme's gradient where the edge of this rank was chosen.
    template <int N>
    __device__ __forceinline__ void choose(float (&values)[N], const std::int32_t* arg, Reduce reduce, Index d, Index f, Index rank) const {
        const Pack<int, N> chosen = load<N>(reinterpret_cast<const int*>(arg) + d * g.width + f);
        const Pack<S, N> grad = load<N>(static_cast<const S*>(g.grad[reduce]) + d * g.stride + f);
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] += chosen.at[i] == static_cast<int>(rank) ? grad[i] : 0;
    }
};

template <typename S, int N>
__global__ void __launch_bounds__(kRowThreads, 4) fold_rows(GradientOf<S> gradient, Layout layout, float* folded) {
    Index d, s;
    if (!layout.find(d, s)) return;
    float linear[N], curved[N];
    const Index width = gradient.g.width, row = gradient.g.average == nullptr ? width : 2 * width;
    gradient.smooth(linear, curved, d, s * N);
    store(folded + d * row + s * N, linear);
    if (gradient.g.average != nullptr) store(folded + d * row + width + s * N, curved);
}

// The gradient of segment rows, every one written once.
template <typename S, int N>
struct SpreadRows {
    static constexpr bool joined = false;
    static constexpr int in_flight = 4;

    using Slot = Index;
    struct Item {
        Pack<S, N> x;
    };
    struct State {
        float linear[N], curved[N], least[N], most[N];
        Pack<int, N> argmin, argmax;
    };

    GradientOf<S> gradient;
    const S* x;
    S* out;

    __device__ __forceinline__ Slot slot(Index s) const { return s * N; }

    __device__ __forceinline__ void open(State& state, Slot f, Index d) const {
        const Gradient& g = gradient.g;
        gradient.smooth(state.linear, state.curved, d, f);
        if (g.argmin != nullptr) {
            state.argmin = load<N>(reinterpret_cast<const int*>(g.argmin) + d * g.width + f);
            gradient.part(state.least, kMin, d * g.stride + f);
        }
        if (g.argmax != nullptr) {
            state.argmax = load<N>(reinterpret_cast<const int*>(g.argmax) + d * g.width + f);
            gradient.part(state.most, kMax, d * g.stride + f);
        }
    }

    __device__ __forceinline__ Item fetch(Slot f, Index, Index e) const {
        Item item = {};
        if (gradient.g.average != nullptr) item.x = load<N>(x + e * gradient.g.width + f);
        return item;
    }

    __device__ __forceinline__ void apply(State& state, Slot f, const Item& item, Index, Index e, Index rank) const {
        const Gradient& g = gradient.g;
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) {
            values[i] = state.linear[i];
            if (g.average != nullptr) values[i] += state.curved[i] * item.x[i];
            if (g.argmin != nullptr && state.argmin.at[i] == static_cast<int>(rank)) values[i] += state.least[i];
            if (g.argmax != nullptr && state.argmax.at[i] == static_cast<int>(rank)) values[i] += state.most[i];
        }
        store(out + e * g.width + f, values);
    }
};

// The gradient of source rows over the view by source: sum of weight * (linear + curved * weight * x + extremes'). With
// `All` false there are linear parts only.
template <typename S, int N, bool All>
struct SumBySource {
    static constexpr bool joined = true;
    static constexpr int in_flight = All ? 1 : 4;

    struct Slot {
        Index feature;
        Index head;
    };
    struct Item {
        Index destination;
        Index position;
        float weight;
        Pack<float, N> linear;
    };
    struct State {
        float sum[N];
        float slope[All ? N : 1];  // of x
    };

    GradientOf<S> gradient;
    Csc view;
    Factors weight;
    Index row;  // elements of a destination in `folded`
    unsigned head_width;
    const S* x;
    S* out;

    __device__ __forceinline__ Slot slot(Index s) const { return {s * N, static_cast<Index>(static_cast<unsigned>(s) * N / head_width)}; }

    __device__ __forceinline__ void open(State& state, const Slot&, Index) const {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            state.sum[i] = 0;
            if constexpr (All) state.slope[i] = 0;
        }
    }

    __device__ __forceinline__ Item fetch(const Slot& slot, Index, Index e) const {
        Item item = {};
        item.destination = index_at(view.row, view.wide, e);
        if (All || weight.at != nullptr) item.position = index_at(view.perm, view.wide, e);
        item.weight = weight.at == nullptr ? 1 : factor_at(weight, item.position, slot.head);
        if (!All || gradient.g.folded != nullptr) item.linear = load<N>(gradient.g.folded + item.destination * row + slot.feature);
        return item;
    }

    __device__ __forceinline__ void apply(State& state, const Slot& slot, const Item& item, Index, Index, Index) const {
        const Gradient& g = gradient.g;
        if constexpr (!All) {
#pragma unroll
            for (int i = 0; i < N; ++i) state.sum[i] += item.weight * item.linear[i];
        } else {
            float values[N];
#pragma unroll
            for (int i = 0; i < N; ++i) values[i] = item.linear[i];
            const Index rank = item.position - colptr_at(g.edges.colptr, item.destination);
            if (g.argmin != nullptr) gradient.choose(values, g.argmin, kMin, item.destination, slot.feature, rank);
            if (g.argmax != nullptr) gradient.choose(values, g.argmax, kMax, item.destination, slot.feature, rank);
#pragma unroll
            for (int i = 0; i < N; ++i) state.sum[i] += item.weight * values[i];
            if (g.average != nullptr) {
                const Pack<float, N> curved = load<N>(g.folded + item.destination * row + g.width + slot.feature);
#pragma unroll
                for (int i = 0; i < N; ++i) state.slope[i] += item.weight * item.weight * curved[i];
            }
        }
    }

    __device__ __forceinline__ void combine(State& state, const State& later) const {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            state.sum[i] += later.sum[i];
            if constexpr (All) state.slope[i] += later.slope[i];
        }
    }

    __device__ __forceinline__ void close(const State& state, const Slot& slot, Index source, Index) const {
        const Index at = source * gradient.g.width + slot.feature;
        float values[N];
#pragma unroll
        for (int i = 0; i < N; ++i) values[i] = state.sum[i];
        if constexpr (All) {
            if (gradient.g.average != nullptr) {
                const Pack<S, N> own = load<N>(x + at);
#pragma unroll
                for (int i = 0; i < N; ++i) values[i] += state.slope[i] * own[i];
            }
        }
        store(out + at, values);
    }
};

}  // namespace gnnctl::cuda
