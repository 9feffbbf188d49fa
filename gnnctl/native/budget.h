// Sharing what a node may draw over its edge types; see schemas/picks.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "keyed.h"

namespace gnnctl {

class BudgetDealer {
public:
    // Lowers takes so that their sum is at most the budget: all reach the same level at most, and what then remains
    // goes, one each, to some of those that were lowered, in the order of the keyed permutation.
    void deal(std::vector<std::int64_t>& takes, std::int64_t budget, std::uint64_t key, Picker& picker) {
        ascending_ = takes;
        std::sort(ascending_.begin(), ascending_.end());
        std::int64_t left = budget, level = 0;
        for (std::size_t i = 0; i < ascending_.size(); ++i) {
            const auto sharing = static_cast<std::int64_t>(ascending_.size() - i);
            if (ascending_[i] * sharing > left) {
                level = left / sharing;
                left -= level * sharing;
                break;
            }
            left -= ascending_[i];
        }
        above_.clear();
        for (std::size_t t = 0; t < takes.size(); ++t)
            if (takes[t] > level) above_.push_back(t);
        for (const std::size_t t : above_) takes[t] = level;
        picker.distinct(key, above_.size(), static_cast<std::uint64_t>(left), [&](std::uint64_t t) { ++takes[above_[t]]; });
    }

private:
    std::vector<std::int64_t> ascending_;
    std::vector<std::size_t> above_;
};

}  // namespace gnnctl
