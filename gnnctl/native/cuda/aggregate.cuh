// Aggregation of messages: sums, extremes with the edge that gave them, and moments, several in one pass.
#pragma once

#include "walk.cuh"

namespace gnnctl::cuda {

template <typename S>
struct AggregateOut {
    S* out[kReduces];
    Index stride;
    float* average;
    std::int32_t* argmin;
    std::int32_t* argmax;
};

// Whether `value` takes the place of `best`: smaller (larger), or the first NaN.
template <bool Least>
__device__ __forceinline__ bool beats(float value, float best) {
    return (Least ? value < best : value > best) || (value != value && best == best);
}

// What is kept of a destination. Of everything, what is not wanted is computed and not stored: that is cheaper than
// the code for every choice.
enum class Keep { sum, extreme, everything };

// N features of one chunk. Only the plain sum is worth a kernel of its own without weights.
template <typename S, int N, bool MayBeWeighted, Keep Kept>
struct Aggregate {
    static constexpr bool joined = true;
    static constexpr int in_flight = 4;
    static constexpr bool Sum = Kept != Keep::extreme, Most = Kept != Keep::sum;
    static constexpr bool Least = Kept == Keep::everything, Moments = Kept == Keep::everything;

    struct Slot {
        Index feature;
        Index head;
    };
    struct Item {
        Pack<S, N> x;
        float weight;
    };
    struct State {
        float sum[Sum ? N : 1];
        float least[Least ? N : 1];
        float most[Most ? N : 1];
        std::int32_t argmin[Least ? N : 1];
        std::int32_t argmax[Most ? N : 1];
        float mean[Moments ? N : 1];
        float squares[Moments ? N : 1];  // of the distances from the mean
        float count;
    };

    const void* row;
    bool wide;
    Factors weight;
    const void* perm;
    const S* x;
    Index width;
    unsigned head_width;
    float sign;  // of an extreme: the minimum is the negative of the maximum of negatives
    AggregateOut<S> results;

    __device__ __forceinline__ Slot slot(Index s) const { return {s * N, MayBeWeighted ? static_cast<Index>(static_cast<unsigned>(s) * N / head_width) : 0}; }

    __device__ __forceinline__ Item fetch(const Slot& slot, Index, Index e) const {
        const Index source = row == nullptr ? e : index_at(row, wide, e);
        Item item;
        item.x = load<N>(x + source * width + slot.feature);
        item.weight = 1;
        if (MayBeWeighted && weight.at != nullptr) item.weight = factor_at(weight, perm == nullptr ? e : index_at(perm, wide, e), slot.head);
        return item;
    }

    __device__ __forceinline__ void open(State& state, const Slot&, Index) const {
        state.count = 0;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if constexpr (Sum) state.sum[i] = 0;
            if constexpr (Least) state.least[i] = 0, state.argmin[i] = -1;
            if constexpr (Most) state.most[i] = 0, state.argmax[i] = -1;
            if constexpr (Moments) state.mean[i] = state.squares[i] = 0;
        }
    }

    __device__ __forceinline__ void apply(State& state, const Slot&, const Item& item, Index, Index, Index rank) const {
        state.count += 1;
        const float inverse = Moments ? 1 / state.count : 0;
        const auto at = static_cast<std::int32_t>(rank);
#pragma unroll
        for (int i = 0; i < N; ++i) {
            float message = MayBeWeighted ? item.weight * item.x[i] : item.x[i];
            if constexpr (Kept == Keep::extreme) message *= sign;
            if constexpr (Sum) state.sum[i] += message;
            if constexpr (Least)
                if (state.argmin[i] < 0 || beats<true>(message, state.least[i])) state.least[i] = message, state.argmin[i] = at;
            if constexpr (Most)
                if (state.argmax[i] < 0 || beats<false>(message, state.most[i])) state.most[i] = message, state.argmax[i] = at;
            if constexpr (Moments) {  // Welford 1962
                const float away = message - state.mean[i];
                state.mean[i] += away * inverse;
                state.squares[i] += away * (message - state.mean[i]);
            }
        }
    }

    __device__ __forceinline__ void combine(State& state, const State& later) const {
        const float count = state.count + later.count, share = count > 0 ? later.count / count : 0;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if constexpr (Sum) state.sum[i] += later.sum[i];
            if constexpr (Least)
                if (later.argmin[i] >= 0 && (state.argmin[i] < 0 || beats<true>(later.least[i], state.least[i])))
                    state.least[i] = later.least[i], state.argmin[i] = later.argmin[i];
            if constexpr (Most)
                if (later.argmax[i] >= 0 && (state.argmax[i] < 0 || beats<false>(later.most[i], state.most[i])))
                    state.most[i] = later.most[i], state.argmax[i] = later.argmax[i];
            if constexpr (Moments) {  // Chan, Golub and LeVeque 1979
                const float away = later.mean[i] - state.mean[i];
                state.mean[i] += away * share;
                state.squares[i] += later.squares[i] + away * away * state.count * share;
            }
        }
        state.count = count;
    }

    __device__ __forceinline__ void put_column(Reduce reduce, const Slot& slot, Index d, const float (&values)[N]) const {
        if (results.out[reduce] != nullptr) store(results.out[reduce] + d * results.stride + slot.feature, values);
    }

    __device__ __forceinline__ void close(const State& state, const Slot& slot, Index d, Index count) const {
        const float inverse = 1 / static_cast<float>(count > 1 ? count : 1);
        const Index at = d * width + slot.feature;
        if constexpr (Sum) {
            put_column(kSum, slot, d, state.sum);
            float mean[N];
#pragma unroll
            for (int i = 0; i < N; ++i) mean[i] = state.sum[i] * inverse;
            put_column(kMean, slot, d, mean);
        }
        if constexpr (Least) {
            put_column(kMin, slot, d, state.least);
            if (results.argmin != nullptr) store(results.argmin + at, state.argmin);
        }
        if constexpr (Most) {
            float most[N];
#pragma unroll
            for (int i = 0; i < N; ++i) most[i] = Kept == Keep::extreme ? state.most[i] * sign : state.most[i];
            put_column(kMax, slot, d, most);
            if (results.argmax != nullptr) store(results.argmax + at, state.argmax);
        }
        if constexpr (Moments) {
            float variance[N], deviation[N];
#pragma unroll
            for (int i = 0; i < N; ++i) {
                variance[i] = state.squares[i] * inverse;
                deviation[i] = variance[i] > 1e-5f ? sqrtf(variance[i]) : variance[i] == variance[i] ? 0.0f : variance[i];
            }
            put_column(kVar, slot, d, variance);
            put_column(kStd, slot, d, deviation);
            if (results.average != nullptr) store(results.average + at, state.mean);
        }
    }
};

}  // namespace gnnctl::cuda
