// Finds which local node a row is, among those of one batch: built once, then only asked.
#pragma once

#include <cstdint>
#include <vector>

#include "keyed.h"

namespace gnnctl {

// Nodes are told apart by (group, row): the group is the seed whose tree a node is in, 0 where all share one.
class NodeFinder {
public:
    static constexpr std::int32_t kNone = -1;

    // False where a node is there twice.
    bool build(const std::int64_t* rows, const std::int32_t* groups, std::size_t count, std::int64_t num_nodes) {
        num_nodes_ = static_cast<std::uint64_t>(num_nodes);
        std::size_t capacity = 64;
        shift_ = 58;
        while (capacity < 2 * count) {
            capacity *= 2;
            --shift_;
        }
        mask_ = capacity - 1;
        keys_.assign(capacity, 0);
        locals_.assign(capacity, kNone);
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint64_t key = key_of(rows[i], groups ? groups[i] : 0);
            std::size_t at = slot(key);
            while (locals_[at] != kNone) {
                if (keys_[at] == key) return false;
                at = (at + 1) & mask_;
            }
            keys_[at] = key;
            locals_[at] = static_cast<std::int32_t>(i);
        }
        return true;
    }

    void prefetch(std::int64_t row, std::int32_t group) const {
        const std::size_t at = slot(key_of(row, group));
        __builtin_prefetch(keys_.data() + at);
        __builtin_prefetch(locals_.data() + at);
    }

    std::int32_t find(std::int64_t row, std::int32_t group) const {
        const std::uint64_t key = key_of(row, group);
        for (std::size_t at = slot(key);; at = (at + 1) & mask_)
            if (locals_[at] == kNone || keys_[at] == key) return locals_[at];
    }

private:
    std::uint64_t key_of(std::int64_t row, std::int32_t group) const {
        return static_cast<std::uint64_t>(group) * num_nodes_ + static_cast<std::uint64_t>(row);
    }
    std::size_t slot(std::uint64_t key) const { return (key * kGolden) >> shift_; }

    std::vector<std::uint64_t> keys_;
    std::vector<std::int32_t> locals_;
    std::uint64_t num_nodes_ = 0;
    std::size_t mask_ = 0;
    unsigned shift_ = 58;
};

}  // namespace gnnctl
