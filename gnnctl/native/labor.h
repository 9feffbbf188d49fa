// Layer-dependent drawing: one random number per source node, the same for every destination of the batch, so that
// destinations prefer the same sources. A node takes the k in-edges whose sources have the smallest numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "keyed.h"

namespace gnnctl {

// out[i] = absorb(key, row[i])
void source_numbers(const std::int32_t* row, std::int64_t count, std::uint64_t key, std::uint64_t* out);
void source_numbers(const std::int64_t* row, std::int64_t count, std::uint64_t key, std::uint64_t* out);

class LaborPicker {
public:
    // Offsets of the `take` smallest by (number of the source, offset), in that order; take < degree.
    template <class Row, class Emit>
    void distinct(const Row* row, std::uint64_t source_key, std::int64_t degree, std::int64_t take, Emit&& emit) {
        if (take <= 0) return;
        const auto kept = static_cast<std::size_t>(take);
        nearest_.clear();
        std::pair<std::uint64_t, std::int64_t> limit{~std::uint64_t{0}, degree};
        for (std::int64_t first = 0; first < degree; first += kChunk) {
            const std::int64_t count = std::min(kChunk, degree - first);
            source_numbers(row + first, count, source_key, numbers_);
            for (std::int64_t j = 0; j < count; ++j) {
                const std::pair<std::uint64_t, std::int64_t> entry{numbers_[j], first + j};
                if (!(entry < limit)) continue;
                nearest_.push_back(entry);
                if (nearest_.size() < 2 * kept + 16) continue;
                shrink(kept);
                limit = nearest_.back();
            }
        }
        if (nearest_.size() > kept) shrink(kept);
        std::sort(nearest_.begin(), nearest_.end());
        for (const auto& [number, offset] : nearest_) emit(offset);
    }

private:
    static constexpr std::int64_t kChunk = 128;

    void shrink(std::size_t kept) {
        std::nth_element(nearest_.begin(), nearest_.begin() + static_cast<std::ptrdiff_t>(kept) - 1, nearest_.end());
        nearest_.resize(kept);
    }
    std::vector<std::pair<std::uint64_t, std::int64_t>> nearest_;
    std::uint64_t numbers_[kChunk];
};

}  // namespace gnnctl
