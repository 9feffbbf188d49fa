// A typed graph as walks, pushes and induced subgraphs read it: one CSC an edge type, checked once, with the views
// that some of them need (lists sorted by node, prefix sums of weights) made when first asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace gnnctl {

// The neighbours of node v are entries start(v) .. start(v) + degree(v) - 1.
struct CscType {
    std::uint32_t src = 0, dst = 0;
    std::int64_t num_dst = 0;
    const std::int64_t* colptr = nullptr;
    const std::int32_t* narrow = nullptr;
    const std::int64_t* wide = nullptr;
    const float* weight = nullptr;

    std::int64_t at(std::int64_t position) const { return narrow ? static_cast<std::int64_t>(narrow[position]) : wide[position]; }
    std::int64_t edges() const { return colptr[num_dst]; }
    void prefetch_list(std::int64_t node) const {
        __builtin_prefetch(colptr + node);
        __builtin_prefetch(colptr + node + 1);
    }
    void prefetch(std::int64_t position) const {
        if (narrow)
            __builtin_prefetch(narrow + position);
        else
            __builtin_prefetch(wide + position);
    }
};

// Each list in ascending order of its nodes. Lists that are in that order already (graphs without times) are not
// copied: `order` is then empty and `type` the graph's own.
struct SortedLists {
    CscType type;
    std::vector<std::int32_t> narrow;
    std::vector<std::int64_t> wide;
    std::vector<std::int64_t> order;  // position in the graph of each entry

    std::int64_t position(std::int64_t entry) const { return order.empty() ? entry : order[static_cast<std::size_t>(entry)]; }
    bool contains(std::int64_t node, std::int64_t neighbour) const;
    // Entries first .. last - 1 of the list of `node` are `neighbour`.
    std::pair<std::int64_t, std::int64_t> range(std::int64_t node, std::int64_t neighbour) const;
};

class TypedCsc {
public:
    std::vector<std::int64_t> num_nodes;
    std::vector<CscType> types;

    // Both are made once, by whichever thread comes first; safe to call at any time without the GIL.
    const SortedLists& sorted(std::size_t type) const;
    // Within each list, the running sum of its weights, each entry included.
    const std::vector<double>& prefix(std::size_t type) const;

    void finish();  // once num_nodes and types are there

private:
    struct Views {
        std::once_flag sorted_once, prefix_once;
        SortedLists sorted;
        std::vector<double> prefix;
    };
    std::vector<std::unique_ptr<Views>> views_;
};

// Draws one of a node's neighbours by weight: the first entry whose running sum exceeds the share; -1 where all
// weights are zero. `random` has 64 bits, of which the upper 53 count.
std::int64_t weighted_entry(const double* prefix, std::int64_t first, std::int64_t last, std::uint64_t random);

inline double unit_interval(std::uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

}  // namespace gnnctl
