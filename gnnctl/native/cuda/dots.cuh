// Dot products edge by edge: a few lanes share an edge and its features, then add up by exchanging halves.
#pragma once

#include "gradient.cuh"

namespace gnnctl::cuda {

constexpr int kDotThreads = 128;

// Lanes for `vectors` vectors of a head: enough to read it at once, a power of two.
inline int dot_lanes(Index vectors) {
    int lanes = 1;
    while (lanes < 32 && lanes < vectors) lanes *= 2;
    return lanes;
}

// The row this thread works on, its lane among `lanes`. All threads stay to the end: lanes meet in total().
struct DotPlace {
    Index row;
    Index lane;
    bool there;

    __device__ __forceinline__ DotPlace(Index rows, int lanes) {
        const unsigned shift = static_cast<unsigned>(__ffs(lanes) - 1);
        row = static_cast<Index>(blockIdx.x) * (blockDim.x >> shift) + (threadIdx.x >> shift);
        lane = threadIdx.x & static_cast<unsigned>(lanes - 1);
        there = row < rows;
        if (!there) row = 0;
    }
};

__device__ __forceinline__ float total(float part, int lanes) {
    for (int apart = lanes / 2; apart > 0; apart /= 2) part += __shfl_xor_sync(0xFFFFFFFFu, part, apart);
    return part;
}

// The destination of an edge by binary search: neighbouring edges take the same path, so the reads are cached.
__device__ __forceinline__ Index destination_of(const Csc& edges, Index e) {
    Index low = 0, high = edges.num_dst - 1;
    while (low < high) {
        const Index middle = (low + high + 1) / 2;
        if (colptr_at(edges.colptr, middle) <= e) low = middle;
        else high = middle - 1;
    }
    return low;
}

inline Index dot_blocks(Index rows, int lanes) { return ceil_div(rows, kDotThreads / lanes); }

__device__ __forceinline__ void store_one(void* to, Scalar scalar, Index at, float value) {
    const float one[1] = {value};
    if (scalar == Scalar::float32) store(static_cast<float*>(to) + at, one);
    else if (scalar == Scalar::bfloat16) store(static_cast<__nv_bfloat16*>(to) + at, one);
    else store(static_cast<__half*>(to) + at, one);
}

// The gradient of weights: of each edge and head, the dot product of its message's gradient and its source. `Smooth`:
// linear is `folded`, else the sum's gradient.
template <typename S, int N, bool Smooth>
__global__ void __launch_bounds__(kDotThreads, 4) weight_dots(GradientOf<S> gradient, const S* x, Factors weight, Index heads, void* out, Scalar dtype, int lanes) {
    const Gradient& g = gradient.g;
    const DotPlace place(g.edges.num_edges, lanes);
    const Index e = place.row, source = index_at(g.edges.row, g.edges.wide, e), d = destination_of(g.edges, e);
    const Index rank = e - colptr_at(g.edges.colptr, d), head_width = g.width / heads;
    const Index folded_row = g.average == nullptr ? g.width : 2 * g.width;
    for (Index h = 0; h < heads; ++h) {
        float part = 0;
        for (Index f = h * head_width + place.lane * N; f < (h + 1) * head_width; f += lanes * N) {
            const Pack<S, N> features = load<N>(x + source * g.width + f);
            float values[N] = {};
            if constexpr (Smooth) {
                if (g.folded != nullptr) {
                    const Pack<float, N> linear = load<N>(g.folded + d * folded_row + f);
#pragma unroll
                    for (int i = 0; i < N; ++i) values[i] = linear[i];
                }
                if (g.average != nullptr) {
                    const Pack<float, N> curved = load<N>(g.folded + d * folded_row + g.width + f);
                    const float own = factor_at(weight, e, h);
#pragma unroll
                    for (int i = 0; i < N; ++i) values[i] += curved[i] * own * features[i];
                }
                if (g.argmin != nullptr) gradient.choose(values, g.argmin, kMin, d, f, rank);
                if (g.argmax != nullptr) gradient.choose(values, g.argmax, kMax, d, f, rank);
            } else {
                gradient.part(values, kSum, d * g.stride + f);
            }
#pragma unroll
            for (int i = 0; i < N; ++i) part += values[i] * features[i];
        }
        part = total(part, lanes);
        if (place.there && place.lane == 0) store_one(out, dtype, e * heads + h, part);
    }
}

// out[i, h] = dot(a[i, h, :], b[i, h, :])
template <typename S, int N>
__global__ void __launch_bounds__(kDotThreads, 4) dot_rows(const S* a, const S* b, Index rows, Index heads, Index width, float* out, int lanes) {
    const DotPlace place(rows, lanes);
    const Index head_width = width / heads;
    for (Index h = 0; h < heads; ++h) {
        float part = 0;
        for (Index f = h * head_width + place.lane * N; f < (h + 1) * head_width; f += lanes * N) {
            const Pack<S, N> left = load<N>(a + place.row * width + f), right = load<N>(b + place.row * width + f);
#pragma unroll
            for (int i = 0; i < N; ++i) part += left[i] * right[i];
        }
        part = total(part, lanes);
        if (place.there && place.lane == 0) store_one(out, Scalar::float32, place.row * heads + h, part);
    }
}

}  // namespace gnnctl::cuda
