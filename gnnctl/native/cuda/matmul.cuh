// Products of tiles: 64 x 64 of the result by 128 threads, the inner axis in steps that two shared buffers take in turns:
// while one is multiplied, the next step's elements are on their way into registers, then into the other.
#pragma once

#include "matmul_tiles.cuh"
#include "tensor_core.cuh"

namespace gnnctl::cuda {

// Runs Core's multiply() over the steps of the inner axis. ATurned: a is (inner, rows); BTurned: b is (columns, inner).
template <typename Core, typename S, typename C>
__device__ __forceinline__ void multiply_tile(const Tile<S, C>& tile) {
    constexpr int step = Core::step;
    using ABlock = std::conditional_t<Core::a_turned, Block<S, step, kTileRows>, Block<S, kTileRows, step>>;
    using BBlock = std::conditional_t<Core::b_turned, Block<S, kTileColumns, step>, Block<S, step, kTileColumns>>;
    GNNCTL_SHARED(uint4, a_shared, 2 * Core::a_words);
    GNNCTL_SHARED(uint4, b_shared, 2 * Core::b_words);
    S* const a_buffer = reinterpret_cast<S*>(a_shared);
    S* const b_buffer = reinterpret_cast<S*>(b_shared);
    constexpr int a_size = Core::a_words * kFull<S>, b_size = Core::b_words * kFull<S>;
    ABlock a;
    BBlock b;
    const auto read = [&](Index k) {
        const Index left = tile.inner - k;
        if constexpr (Core::a_turned) a.read(tile.a + k * tile.a_stride, tile.a_stride, left, tile.rows);
        else a.read(tile.a + k, tile.a_stride, tile.rows, left);
        if constexpr (Core::b_turned) b.read(tile.b + k, tile.b_stride, tile.columns, left);
        else b.read(tile.b + k * tile.b_stride, tile.b_stride, left, tile.columns);
    };
    const auto write = [&](int buffer) {
        a.template write<Core::a_stride, Core::a_stored_turned>(a_buffer + buffer * a_size);
        b.template write<Core::b_stride, Core::b_stored_turned>(b_buffer + buffer * b_size);
    };
    Core core;
    core.clear();
    if (tile.inner > 0) {
        read(0);
        write(0);
    }
    __syncthreads();
    int buffer = 0;
    for (Index k = 0; k < tile.inner; k += step) {
        const bool more = k + step < tile.inner;
        if (more) read(k + step);
        core.multiply(a_buffer + buffer * a_size, b_buffer + buffer * b_size);
        buffer ^= 1;
        if (more) write(buffer);
        __syncthreads();
    }
    core.finish(tile);
}

// Half precision on tensor cores: each of four warps has 32 x 32 of the tile.
template <typename S, bool ATurned, bool BTurned>
struct HalfCore {
    static constexpr bool a_turned = ATurned, b_turned = BTurned, a_stored_turned = false, b_stored_turned = false;
    static constexpr int step = 32;
    // Eight elements between rows keep the eight rows of an 8x8 matrix in different banks.
    static constexpr int a_stride = (ATurned ? kTileRows : step) + 8, b_stride = (BTurned ? step : kTileColumns) + 8;
    static constexpr int a_words = (ATurned ? step : kTileRows) * a_stride / 8, b_words = (BTurned ? kTileColumns : step) * b_stride / 8;

    float sums[2][4][4];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int c = 0; c < 4; ++c) sums[i][j][c] = 0;
    }

    __device__ __forceinline__ void multiply(const S* a, const S* b) {
        const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
        const int row = warp / 2 * 32, column = warp % 2 * 32;
        const int matrix = lane / 8, r = lane % 8;
#pragma unroll
        for (int k = 0; k < step; k += 16) {
            unsigned left[2][4], right[2][4];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                // Matrices 0 to 3: rows 0-7 and 8-15 of the lower half of the inner axis, then of the upper.
                const int m = row + 16 * i + matrix % 2 * 8, inner = k + matrix / 2 * 8;
                if constexpr (ATurned) load_matrices<true>(left[i], a + (inner + r) * a_stride + m);
                else load_matrices<false>(left[i], a + (m + r) * a_stride + inner);
            }
#pragma unroll
            for (int j = 0; j < 2; ++j) {
                // Lower and upper half of the inner axis for columns 0-7, then for 8-15.
                const int n = column + 16 * j + matrix / 2 * 8, inner = k + matrix % 2 * 8;
                if constexpr (BTurned) load_matrices<false>(right[j], b + (n + r) * b_stride + inner);
                else load_matrices<true>(right[j], b + (inner + r) * b_stride + n);
            }
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    const unsigned factor[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
                    multiply_half<S>(sums[i][j], left[i], factor);
                }
        }
    }

    template <typename C>
    __device__ __forceinline__ void finish(const Tile<S, C>& tile) const { put_sums(tile, sums); }

    template <typename T>
    static __device__ __forceinline__ void put_sums(const T& tile, const float (&sums)[2][4][4]) {
        const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
        const int row = warp / 2 * 32 + lane / 4, column = warp % 2 * 32 + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                put_pair(tile, row + 16 * i, column + 8 * j, sums[i][j][0], sums[i][j][1]);
                put_pair(tile, row + 16 * i + 8, column + 8 * j, sums[i][j][2], sums[i][j][3]);
            }
    }
};

// float32: shared memory holds both with the inner axis first, whatever they were.
template <bool ATurned, bool BTurned>
struct FloatLayout {
    static constexpr bool a_turned = ATurned, b_turned = BTurned, a_stored_turned = !ATurned, b_stored_turned = BTurned;
    static constexpr int step = 16, a_stride = kTileRows + 8, b_stride = kTileColumns + 8;
    static constexpr int a_words = step * a_stride / 4, b_words = step * b_stride / 4;
};

// On tensor cores, rounded to TF32: 10 bits of fraction, sums in float32.
template <bool ATurned, bool BTurned>
struct Tf32Core : FloatLayout<ATurned, BTurned> {
    using Layout = FloatLayout<ATurned, BTurned>;
    float sums[2][4][4];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int c = 0; c < 4; ++c) sums[i][j][c] = 0;
    }

    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
        const int row = warp / 2 * 32 + lane / 4, column = warp % 2 * 32 + lane / 4, member = lane % 4;
#pragma unroll
        for (int k = 0; k < Layout::step; k += 8) {
            const float* lower_a = a + (k + member) * Layout::a_stride;
            const float* lower_b = b + (k + member) * Layout::b_stride;
            unsigned left[2][4], right[4][2];
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int part = 0; part < 4; ++part)
                    left[i][part] = to_tf32(lower_a[part / 2 * 4 * Layout::a_stride + row + 16 * i + part % 2 * 8]);
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int part = 0; part < 2; ++part) right[j][part] = to_tf32(lower_b[part * 4 * Layout::b_stride + column + 8 * j]);
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) multiply_tf32(sums[i][j], left[i], right[j]);
        }
    }

    template <typename C>
    __device__ __forceinline__ void finish(const Tile<float, C>& tile) const { HalfCore<__half, false, false>::put_sums(tile, sums); }
};

// On the ordinary units: eight rows and four columns a thread.
template <bool ATurned, bool BTurned>
struct SimtCore : FloatLayout<ATurned, BTurned> {
    using Layout = FloatLayout<ATurned, BTurned>;
    float sums[8][4];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i][j] = 0;
    }

    __device__ __forceinline__ void multiply(const float* a, const float* b) {
        const int row = static_cast<int>(threadIdx.x) / 16 * 8, column = static_cast<int>(threadIdx.x) % 16 * 4;
#pragma unroll 4
        for (int k = 0; k < Layout::step; ++k) {
            float left[8], right[4];
            memcpy(left, __builtin_assume_aligned(a + k * Layout::a_stride + row, 16), sizeof(left));
            memcpy(right, __builtin_assume_aligned(b + k * Layout::b_stride + column, 16), sizeof(right));
#pragma unroll
            for (int i = 0; i < 8; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j) sums[i][j] += left[i] * right[j];
        }
    }

    template <typename C>
    __device__ __forceinline__ void finish(const Tile<float, C>& tile) const {
        const int row = static_cast<int>(threadIdx.x) / 16 * 8, column = static_cast<int>(threadIdx.x) % 16 * 4;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            put_pair(tile, row + i, column, sums[i][0], sums[i][1]);
            put_pair(tile, row + i, column + 2, sums[i][2], sums[i][3]);
        }
    }
};

template <typename Core, typename S>
__global__ void __launch_bounds__(kMatmulThreads, 3) multiply_rows(const __grid_constant__ Products products) {
    Tile<S, S> tile;
    if (find_product<S, Core::b_turned>(products, tile)) multiply_tile<Core>(tile);
}

template <typename Core, typename S>
__global__ void __launch_bounds__(kMatmulThreads, 3) multiply_chunks(const __grid_constant__ Products products, int shift) {
    Tile<S, float> tile;
    if (find_outer<S>(products, shift, tile)) multiply_tile<Core>(tile);
}

// out[type] = the sum of its chunks' matrices, in their order.
template <typename S>
__global__ void __launch_bounds__(kMatmulThreads, 4) add_chunks(const __grid_constant__ Products products, int shift, unsigned blocks, S* out) {
    const OneProduct& one = products.list[0];
    const Index type = blockIdx.x / blocks, size = one.m * one.n;
    const Index i = static_cast<Index>(blockIdx.x % blocks) * kMatmulThreads + threadIdx.x;
    if (i >= size) return;
    const Index rows = bound(products, type + 1) - bound(products, type), first = first_chunk(products, type, shift);
    const Index last = first + ((rows + (Index{1} << shift) - 1) >> shift);
    float sum[1] = {0};
    for (Index chunk = first; chunk < last; ++chunk) sum[0] += static_cast<const float*>(one.c)[chunk * size + i];
    store(out + type * size + i, sum);
}

}  // namespace gnnctl::cuda
