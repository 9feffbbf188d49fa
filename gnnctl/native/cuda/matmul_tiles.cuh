// Which tile of which product a block computes, for rows by type and for lists of matrices, without knowing on the host
// how many rows a type has.
//
// A type with rows [ptr[t], ptr[t + 1]) owns the row tiles from ptr[t] / kRows + t on: that is at least as many as it
// fills, rises with t, and is found by binary search. The grid is the rows' tiles and one more for each type, whatever
// the sizes are; tiles that a type does not fill end at once. The same holds for the chunks of rows that the gradient
// of the matrices is summed over, so that a type with most of the rows is shared by many blocks.
#pragma once

#include "vector.cuh"

namespace gnnctl::cuda {

constexpr int kTileRows = 64, kTileColumns = 64, kMatmulThreads = 128;
constexpr int kTable = 32;  // products of a list in one launch, whose arguments travel in it

// c (m, n) = a (m, k) b (k, n) + bias
struct OneProduct {
    const void* a;
    const void* b;
    const void* bias;
    void* c;
    Index m, n, k;
    Index first;  // block
};

struct Products {
    const std::int64_t* ptr = nullptr;  // rows by type; null: one type
    Index types = 0;                    // 0: a list
    Index rows = 0;
    Index chunk = kTileRows;            // rows that one block reads
    int listed = 0;
    OneProduct list[kTable];            // list[0]: the first type's, for rows by type
};

// Where a type's rows begin; within the rows whatever ptr holds, which the host does not look at.
__device__ __forceinline__ Index bound(const Products& p, Index t) {
    if (p.ptr == nullptr) return t == 0 ? 0 : p.rows;
    const Index at = colptr_at(p.ptr, t);
    return at < 0 ? 0 : at > p.rows ? p.rows : at;
}
__device__ __forceinline__ Index first_chunk(const Products& p, Index t, int shift) { return (bound(p, t) >> shift) + t; }

// The chunk's type and rows; false where there are none.
__device__ __forceinline__ bool find_rows(const Products& p, int shift, Index chunk, Index& type, Index& begin, Index& end) {
    Index low = 0, high = p.types - 1;
    while (low < high) {
        const Index middle = (low + high + 1) / 2;
        if (first_chunk(p, middle, shift) <= chunk) low = middle;
        else high = middle - 1;
    }
    type = low;
    begin = bound(p, type) + ((chunk - first_chunk(p, type, shift)) << shift);
    end = bound(p, type + 1);
    if (end > begin + (Index{1} << shift)) end = begin + (Index{1} << shift);
    return begin < end;
}

// What a block multiplies: matrices already moved to the tile, and what is left of them from there.
template <typename S, typename C>
struct Tile {
    const S* a;
    const S* b;
    const S* bias;
    C* c;
    Index a_stride, b_stride, c_stride;
    Index rows, columns, inner;
};

// A tile of x[rows of type] weight[type]; Turned: the matrices are (n, k).
template <typename S, bool Turned>
__device__ __forceinline__ bool find_product(const Products& p, Tile<S, S>& tile) {
    constexpr int shift = 6;
    static_assert(1 << shift == kTileRows);
    int i = 0;
    while (i + 1 < p.listed && p.list[i + 1].first <= blockIdx.x) ++i;
    const OneProduct& one = p.list[i];
    const auto tiles = static_cast<unsigned>((one.n + kTileColumns - 1) / kTileColumns);
    const unsigned local = blockIdx.x - static_cast<unsigned>(one.first);
    const Index row_tile = local / tiles, column = static_cast<Index>(local % tiles) * kTileColumns;
    Index type = 0, begin = row_tile * kTileRows, end = one.m;
    if (p.types > 0 && !find_rows(p, shift, row_tile, type, begin, end)) return false;
    tile.a = static_cast<const S*>(one.a) + begin * one.k;
    tile.b = static_cast<const S*>(one.b) + type * one.k * one.n + column * (Turned ? one.k : 1);
    tile.bias = one.bias == nullptr ? nullptr : static_cast<const S*>(one.bias) + type * one.n + column;
    tile.c = static_cast<S*>(one.c) + begin * one.n + column;
    tile.a_stride = one.k;
    tile.b_stride = Turned ? one.k : one.n;
    tile.c_stride = one.n;
    tile.rows = end - begin;
    tile.columns = one.n - column;
    tile.inner = one.k;
    return true;
}

// A tile of x' grad over one chunk of a type's rows, float32, into the chunk's own matrix.
template <typename S>
__device__ __forceinline__ bool find_outer(const Products& p, int shift, Tile<S, float>& tile) {
    const OneProduct& one = p.list[0];
    const auto row_tiles = static_cast<unsigned>((one.m + kTileRows - 1) / kTileRows), column_tiles = static_cast<unsigned>((one.n + kTileColumns - 1) / kTileColumns);
    const unsigned chunk = blockIdx.x / (row_tiles * column_tiles), local = blockIdx.x % (row_tiles * column_tiles);
    const Index row = static_cast<Index>(local / column_tiles) * kTileRows, column = static_cast<Index>(local % column_tiles) * kTileColumns;
    Index type, begin, end;
    if (!find_rows(p, shift, chunk, type, begin, end)) return false;
    tile.a = static_cast<const S*>(one.a) + begin * one.m + row;
    tile.b = static_cast<const S*>(one.b) + begin * one.n + column;
    tile.bias = nullptr;
    tile.c = static_cast<float*>(one.c) + static_cast<Index>(chunk) * one.m * one.n + row * one.n + column;
    tile.a_stride = one.m;
    tile.b_stride = tile.c_stride = one.n;
    tile.rows = one.m - row;
    tile.columns = one.n - column;
    tile.inner = end - begin;
    return true;
}

// Part of a matrix on its way to shared memory: Outer rows of Inner neighbouring elements, zeros beyond the matrix.
template <typename S, int Outer, int Inner>
struct Block {
    static constexpr int lanes = kFull<S>, per_row = Inner / lanes, count = Outer * per_row / kMatmulThreads;
    static_assert(Outer * per_row % kMatmulThreads == 0);
    Pack<S, lanes> held[count];

    __device__ __forceinline__ void read(const S* from, Index stride, Index outer, Index inner) {
        const bool whole = ((reinterpret_cast<std::uintptr_t>(from) | static_cast<std::uintptr_t>(stride * static_cast<Index>(sizeof(S)))) & 15) == 0;
#pragma unroll
        for (int i = 0; i < count; ++i) {
            const int index = static_cast<int>(threadIdx.x) + i * kMatmulThreads, row = index / per_row, column = index % per_row * lanes;
            if (whole && row < outer && column + lanes <= inner) {
                held[i] = load<lanes>(from + row * stride + column);
            } else {
#pragma unroll
                for (int lane = 0; lane < lanes; ++lane)
                    held[i].at[lane] = row < outer && column + lane < inner ? load<1>(from + row * stride + column + lane).at[0] : narrow<S>(0.0f);
            }
        }
    }

    // As it stands, rows `Stride` apart; or turned: element (row, column) at column * Stride + row.
    template <int Stride, bool Turned>
    __device__ __forceinline__ void write(S* to) const {
#pragma unroll
        for (int i = 0; i < count; ++i) {
            const int index = static_cast<int>(threadIdx.x) + i * kMatmulThreads, row = index / per_row, column = index % per_row * lanes;
            if constexpr (Turned) {
#pragma unroll
                for (int lane = 0; lane < lanes; ++lane) to[(column + lane) * Stride + row] = held[i].at[lane];
            } else {
                uint4 word;
                memcpy(&word, &held[i], sizeof(word));
                *reinterpret_cast<uint4*>(to + row * Stride + column) = word;
            }
        }
    }
};

// One or two neighbouring sums of a row.
template <typename S, typename C>
__device__ __forceinline__ void put_pair(const Tile<S, C>& tile, Index row, Index column, float first, float second) {
    if (row >= tile.rows || column >= tile.columns) return;
    const bool both = column + 1 < tile.columns;
    if (tile.bias != nullptr) {
        first += load<1>(tile.bias + column)[0];
        if (both) second += load<1>(tile.bias + column + 1)[0];
    }
    C* to = tile.c + row * tile.c_stride + column;
    if (both && reinterpret_cast<std::uintptr_t>(to) % (2 * sizeof(C)) == 0) {
        const float pair[2] = {first, second};
        store(to, pair);
    } else {
        const float one[1] = {first}, other[1] = {second};
        store(to, one);
        if (both) store(to + 1, other);
    }
}

}  // namespace gnnctl::cuda
