// Hands each call a workspace of its own, of the kind that the plan needs.
#include "sampler.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "expansion.h"

namespace gnnctl {
namespace {

std::unique_ptr<Workspace> make_workspace(const SamplerPlan& plan, const std::shared_ptr<BufferPool>& pool) {
    if (plan.rules.disjoint) return std::make_unique<Expansion<std::uint64_t, true>>(plan, pool);
    const bool wide = std::any_of(plan.num_nodes.begin(), plan.num_nodes.end(), [](std::int64_t n) { return n >= 0xFFFFFFFFLL; });
    if (wide) return std::make_unique<Expansion<std::uint64_t, false>>(plan, pool);
    return std::make_unique<Expansion<std::uint32_t, false>>(plan, pool);
}

}  // namespace

NeighborSampler::NeighborSampler(SamplerPlan plan) : plan_(std::move(plan)), pool_(std::make_shared<BufferPool>()) {}
NeighborSampler::~NeighborSampler() = default;

std::unique_ptr<Workspace> NeighborSampler::borrow() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Workspace> workspace = std::move(idle_.back());
            idle_.pop_back();
            return workspace;
        }
    }
    return make_workspace(plan_, pool_);
}

SampledSubgraph NeighborSampler::sample(const Seeds& seeds, std::uint64_t epoch) {
    // A call that throws loses its workspace: half a batch may be left in the tables.
    std::unique_ptr<Workspace> workspace = borrow();
    SampledSubgraph result = workspace->sample(seeds, epoch);
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
    return result;
}

}  // namespace gnnctl
