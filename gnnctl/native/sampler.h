// Keyed neighbour sampling over typed CSC graphs; see schemas/picks.md for what is drawn and in which order.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "buffer_pool.h"
#include "prefix_search.h"
#include "visible.h"

namespace gnnctl {

// Which of a node's in-edges are drawn: each alike, in proportion to weights, the latest, or (LABOR) those whose
// sources have the smallest numbers of a draw that all destinations share.
enum class Draw { uniform, weighted, recent, labor };

// What a seed with a time may see: everything, what came before it, or what came no later.
enum class Visible { always, before, until };

struct SamplerRules {
    bool replace = false, disjoint = false;
    Draw draw = Draw::uniform;
    Visible visible = Visible::always;  // other than always: disjoint, and every seed has a time
    std::vector<std::int64_t> budget;   // per hop, or empty
};

struct SampledEdgeType {
    std::uint32_t src = 0, dst = 0;       // indices of node types
    const std::int64_t* colptr = nullptr;  // num_nodes[dst] + 1
    const void* row = nullptr;             // std::int32_t, or std::int64_t where wide
    bool wide = false;
    std::uint64_t name_hash = 0;
    std::vector<std::int64_t> fan_out;  // per hop; -1 takes all
    const PrefixSums* weights = nullptr;  // where drawing is weighted
    EdgeTimes times;
};

struct SamplerPlan {
    std::vector<std::int64_t> num_nodes;
    std::vector<std::uint64_t> node_type_hashes;
    std::vector<SampledEdgeType> edge_types;
    std::size_t hops = 0;
    std::uint64_t seed = 0;
    SamplerRules rules;
};

struct Seeds {
    std::vector<std::int64_t> rows;
    std::vector<std::int64_t> times;  // as many as rows, or none
    std::size_t node_type = 0;
};

struct SampledEdges {
    Buffer<std::int64_t> colptr;  // local destinations + 1
    Buffer<std::int32_t> row;     // local sources
    Buffer<std::int64_t> pos;     // positions in the graph's CSC
    std::vector<std::int64_t> counts;
};

struct SampledNodes {
    Buffer<std::int64_t> rows;
    Buffer<std::int32_t> group;  // the seed each node belongs to, disjoint only
    std::vector<std::int64_t> counts;
};

struct SampledSubgraph {
    std::vector<SampledNodes> nodes;
    std::vector<SampledEdges> edges;
};

class Workspace;

// Thread safe: each call works in a workspace of its own. The arrays of the plan must outlive the sampler.
class NeighborSampler {
public:
    explicit NeighborSampler(SamplerPlan plan);
    ~NeighborSampler();
    NeighborSampler(const NeighborSampler&) = delete;
    NeighborSampler& operator=(const NeighborSampler&) = delete;

    // Seeds must be rows of the node type. Throws std::invalid_argument for a seed that occurs twice (joint only).
    SampledSubgraph sample(const Seeds& seeds, std::uint64_t epoch);

    const SamplerPlan& plan() const { return plan_; }
    const std::shared_ptr<BufferPool>& pool() const { return pool_; }

private:
    std::unique_ptr<Workspace> borrow();

    SamplerPlan plan_;
    std::shared_ptr<BufferPool> pool_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Workspace>> idle_;
};

}  // namespace gnnctl
