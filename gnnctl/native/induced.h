// Edges of the graph between nodes that are given: all of them (induced), or those opposite to given edges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "typed_csc.h"

namespace gnnctl {

struct LocalNodes {
    std::vector<std::int64_t> rows;
    std::vector<std::int32_t> groups;  // empty: all nodes share one
};

// Edges in local numbers, destination-sorted.
struct LocalEdges {
    std::vector<std::int64_t> colptr{0};
    std::vector<std::int32_t> row;
    std::vector<std::int64_t> pos;
};

// For each edge type all edges into its first ends[type] local destinations, from any of the local sources of the same
// group; within a destination by position. False where a node is given twice.
bool induced_edges(const TypedCsc& graph, const std::vector<LocalNodes>& nodes, const std::vector<std::size_t>& ends,
                   std::size_t threads, std::vector<LocalEdges>& out);

// Views of edges that somebody else holds.
struct EdgeView {
    const std::int64_t* colptr;
    const std::int32_t* row;
    const std::int64_t* pos;  // may have -1: such edges have no opposite
    std::size_t destinations;
};

enum class Opposite {
    kEndpoints,  // an edge of the partner type between the same two nodes, the other way
    kForward,    // the partner holds the forward edges of this type: forward[pos]
    kReverse,    // the partner is this type's generated reverse: the edge whose forward edge is pos
};

// Which edges run opposite to which.
struct Partner {
    std::size_t type;
    Opposite how;
    const std::int64_t* forward;  // none for kEndpoints
};

// Global rows of the partner's local nodes; only the first `end` destinations are given edges.
struct PartnerNodes {
    const std::vector<std::int64_t>& destinations;
    const std::vector<std::int64_t>& sources;
    std::size_t end;
};

// `own` (edges of the partner type) and the edges of that type that run opposite to `other`. Within a destination `own`
// come first, in their order, then the added ones by position, none twice. Throws std::invalid_argument where
// `forward` names no edge.
LocalEdges with_opposite(const TypedCsc& graph, const Partner& partner, const EdgeView& own, const EdgeView& other, const PartnerNodes& nodes);

}  // namespace gnnctl
