// First-order walks. Each step misses every cache twice (colptr, then the list), so a thread takes many walks forward
// together: while one walk's list is on its way from memory, the others' are asked for.
#include "walk.h"

#include <algorithm>

#include "checks.h"

namespace gnnctl {
namespace {

constexpr std::size_t kTogether = 64;

class WalkBlock {
public:
    WalkBlock(const TypedCsc& graph, const std::vector<std::size_t>& metapath, const WalkPlan& plan)
        : graph_(graph), metapath_(metapath), plan_(plan) {}

    void run(std::size_t first, std::size_t count, std::int64_t* out) {
        const std::size_t stride = plan_.length + 1;
        for (std::size_t i = 0; i < count; ++i) {
            const std::int64_t start = plan_.starts[(first + i) / plan_.walks];
            at_[i] = start;
            key_[i] = walk_key(plan_.key, start, (first + i) % plan_.walks);
            out[(first + i) * stride] = start;
            if (plan_.length != 0) graph_.types[metapath_[0]].prefetch_list(start);
        }
        for (std::size_t step = 0; step < plan_.length; ++step) {
            const std::size_t index = metapath_[step % metapath_.size()];
            const CscType& type = graph_.types[index];
            const CscType& next = graph_.types[metapath_[(step + 1) % metapath_.size()]];
            const double* prefix = plan_.weighted ? graph_.prefix(index).data() : nullptr;
            for (std::size_t i = 0; i < count; ++i) {
                if (at_[i] == kDeadEnd) continue;
                entry_[i] = drawn_entry(type, prefix, at_[i], keyed_random(key_[i], step));
                if (entry_[i] != kDeadEnd) type.prefetch(entry_[i]);
            }
            for (std::size_t i = 0; i < count; ++i) {
                if (at_[i] != kDeadEnd) at_[i] = entry_[i] == kDeadEnd ? kDeadEnd : type.at(entry_[i]);
                if (at_[i] != kDeadEnd && step + 1 < plan_.length) next.prefetch_list(at_[i]);
                out[(first + i) * stride + step + 1] = at_[i];
            }
        }
    }

private:
    const TypedCsc& graph_;
    const std::vector<std::size_t>& metapath_;
    const WalkPlan& plan_;
    std::int64_t at_[kTogether], entry_[kTogether];
    std::uint64_t key_[kTogether];
};

}  // namespace

void random_walks(const TypedCsc& graph, const std::vector<std::size_t>& metapath, const WalkPlan& plan, std::int64_t* out) {
    in_parallel(plan.count(), plan.threads, kTogether, [&](std::size_t first, std::size_t last) {
        WalkBlock block(graph, metapath, plan);
        for (std::size_t at = first; at < last; at += kTogether) block.run(at, std::min(kTogether, last - at), out);
    });
}

}  // namespace gnnctl
