// Random walks over neighbour lists: each step goes from a node to one of the nodes in its list, so in a CSC against
// the edges. A walk is a pure function of its key, its start and its number.
#pragma once

#include <cstdint>
#include <vector>

#include "keyed.h"
#include "typed_csc.h"

namespace gnnctl {

inline constexpr std::int64_t kDeadEnd = -1;

// The key of one of a start's walks; step i of it draws from random(key, i), a second-order step from absorb(key, i).
inline std::uint64_t walk_key(std::uint64_t run_key, std::int64_t start, std::uint64_t number) {
    return absorb(absorb(run_key, static_cast<std::uint64_t>(start)), number);
}
inline std::uint64_t keyed_random(std::uint64_t key, std::uint64_t i) { return mix(key + (i + 1) * kGolden); }

// One neighbour of `node`, uniform, or by weight where `prefix` is given; kDeadEnd where there is none.
inline std::int64_t drawn_entry(const CscType& type, const double* prefix, std::int64_t node, std::uint64_t random) {
    const std::int64_t first = type.colptr[node], last = type.colptr[node + 1];
    if (first == last) return kDeadEnd;
    if (prefix != nullptr) return weighted_entry(prefix, first, last, random);
    return first + static_cast<std::int64_t>(bounded(random, static_cast<std::uint64_t>(last - first)));
}

// What a call walks: `walks` walks of `length` steps from every start.
struct WalkPlan {
    std::vector<std::int64_t> starts;
    std::size_t walks = 1, length = 1;
    std::uint64_t key = 0;
    bool weighted = false;
    std::size_t threads = 1;

    std::size_t count() const { return starts.size() * walks; }
};

// Both write count() rows of length + 1 nodes, walk w of start i in row i * walks + w; after a dead end kDeadEnd.
// The edge types of a metapath are taken in turn, from the first again after the last.
void random_walks(const TypedCsc& graph, const std::vector<std::size_t>& metapath, const WalkPlan& plan, std::int64_t* out);
void node2vec_walks(const TypedCsc& graph, std::size_t type, double p, double q, const WalkPlan& plan, std::int64_t* out);

}  // namespace gnnctl
