// Pairs of nodes that no edge connects, drawn with a key for each; gnnctl/sampling/negatives.py says which.
#pragma once

#include <cstdint>
#include <vector>

#include "typed_csc.h"

namespace gnnctl {

// What an end is drawn from: nodes with whole-number weights. Where there is no list, node i is i; where there are
// no sums, all weights are 1.
struct Population {
    std::int64_t size = 0;
    const std::int64_t* nodes = nullptr;  // (size,) ascending, distinct
    const std::int64_t* sums = nullptr;   // (size + 1,) running sums from 0

    std::int64_t total() const { return sums ? sums[size] : size; }
    std::int64_t draw(std::uint64_t random) const { return at(place(random)); }
    std::int64_t place(std::uint64_t random) const;       // in 0..total - 1
    std::int64_t at(std::int64_t place) const;            // the node whose share of 0..total - 1 holds the place
    std::pair<std::int64_t, std::int64_t> share(std::int64_t node) const;  // first place and weight; weight 0: not in it
};

enum class Corrupt { src, dst, both };

struct NegativePlan {
    const std::int64_t* src = nullptr;  // ends of the positives; only words of the key where both are drawn
    const std::int64_t* dst = nullptr;
    std::size_t positives = 0, each = 0;
    std::uint64_t key = 0;
    Corrupt corrupt = Corrupt::dst;
    Population sources, destinations;
    bool exclude = true, loops = true;
    std::size_t threads = 1;
};

struct Pairs {
    std::int64_t* src;  // (positives * each,); -1 where there is none
    std::int64_t* dst;
};

// Draws until a pair is allowed, at most 32 times; returns, ascending, which negatives are still without one.
// `lists` hold the sources of each destination.
std::vector<std::int64_t> draw_negatives(const SortedLists& lists, const NegativePlan& plan, Pairs out);

// Draws those among what is allowed. `lists` are of the end that is kept (of destinations where both are drawn).
void draw_exactly(const SortedLists& lists, const NegativePlan& plan, const std::int64_t* which, std::size_t count, Pairs out);

}  // namespace gnnctl
