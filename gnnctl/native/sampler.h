// Keyed neighbour sampling over typed CSC graphs; see schemas/picks.md for what is drawn and in which order.
#pragma once

#include <algorithm>
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

// In-edges of seeds that their own trees do not see, of one edge type: of its destination type's local node i the
// offsets offset[ptr[i]], ..., ascending; no ptr where nothing is hidden.
struct HiddenEdges {
    std::vector<std::int64_t> ptr, offset;

    // Those of a node that are among its first `degree` in-edges.
    std::size_t before(std::size_t local, std::int64_t degree) const {
        if (local + 1 >= ptr.size()) return 0;
        const auto first = offset.begin() + ptr[local], last = offset.begin() + ptr[local + 1];
        return static_cast<std::size_t>(std::lower_bound(first, last, degree) - first);
    }
    bool holds(std::size_t local, std::int64_t at) const {
        return std::binary_search(offset.begin() + ptr[local], offset.begin() + ptr[local + 1], at);
    }
};

// Nodes of hop 0. What disjoint sampling wants beside them is by tree: the nodes of a tree may be several, of any type.
struct Seeds {
    std::vector<std::vector<std::int64_t>> rows;   // by node type
    std::vector<std::vector<std::int32_t>> group;  // by node type the tree of each, disjoint only
    std::uint64_t kind = 0;                        // disjoint only: the hash of the name of what the trees grow from,
    std::vector<std::uint64_t> words;              // and which of them: they enter the keys
    std::vector<std::int64_t> times;               // by tree, or none
    std::vector<HiddenEdges> hidden;               // by edge type, or none at all
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

    // Seeds must be rows of their types. Throws std::invalid_argument for one that occurs twice (in a tree).
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
