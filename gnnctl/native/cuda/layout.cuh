// How rows of slots (vectors of features) are laid out over a grid: neighbouring threads take neighbouring slots of a
// row, blocks take as many whole rows as they hold, and rows wider than a block are cut into equal tiles.
#pragma once

#include "vector.cuh"

namespace gnnctl::cuda {

constexpr int kRowThreads = 128;

struct Layout {
    Index rows = 0;
    Index slots = 0;
    unsigned tiles = 1;      // of a row
    unsigned tile = 1;       // slots of a tile
    unsigned per_block = 1;  // rows of a block

    Layout() = default;
    Layout(Index rows, Index slots) : rows(rows), slots(slots) {
        if (slots == 0) return;
        tiles = static_cast<unsigned>(ceil_div(slots, kRowThreads));
        tile = static_cast<unsigned>(ceil_div(slots, tiles));
        per_block = kRowThreads / tile;
    }

    Index blocks() const { return slots == 0 ? 0 : ceil_div(rows, per_block) * tiles; }
    int threads() const { return static_cast<int>(ceil_div(tile * per_block, 32)) * 32; }

    // The thread's row and slot; false where it has none. Divisions are of 32 bits: those of 64 are calls.
    __device__ __forceinline__ bool find(Index& row, Index& slot) const {
        row = static_cast<Index>(blockIdx.x / tiles) * per_block + threadIdx.x / tile;
        slot = static_cast<Index>(blockIdx.x % tiles * tile + threadIdx.x % tile);
        return threadIdx.x < tile * per_block && row < rows && slot < slots;
    }
};

}  // namespace gnnctl::cuda
