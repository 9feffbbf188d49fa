#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "induced.h"

namespace gnnctl {
namespace {

struct Added {
    std::int64_t pos;
    std::int32_t row;
    bool operator<(const Added& other) const { return pos < other.pos; }
    bool operator==(const Added& other) const { return pos == other.pos; }
};

class Opposites {
public:
    Opposites(const TypedCsc& graph, const Partner& partner)
        : partner_(partner), edges_(graph.types[partner.type].edges()),
          lists_(partner.how == Opposite::kForward ? nullptr : &graph.sorted(partner.type)) {}

    // The edges opposite to the one at `pos`, which has led into `source` and from `destination` (global rows).
    template <class Emit>
    void operator()(std::int64_t pos, std::int64_t source, std::int64_t destination, Emit&& emit) const {
        if (partner_.how == Opposite::kForward) {
            const std::int64_t found = partner_.forward[pos];
            if (found < 0 || found >= edges_) throw std::invalid_argument("forward: no edge: " + std::to_string(found));
            emit(found);
            return;
        }
        const auto [first, last] = lists_->range(destination, source);
        for (std::int64_t e = first; e < last; ++e) {
            const std::int64_t found = lists_->position(e);
            if (partner_.how == Opposite::kEndpoints || partner_.forward[found] == pos) emit(found);
        }
    }

private:
    const Partner& partner_;
    const std::int64_t edges_;
    const SortedLists* lists_;
};

}  // namespace

LocalEdges with_opposite(const TypedCsc& graph, const Partner& partner, const EdgeView& own, const EdgeView& other, const PartnerNodes& nodes) {
    const Opposites opposites(graph, partner);
    // Edges of `other` by their source, which is the destination of what is opposite to them.
    std::vector<std::int64_t> begin(own.destinations + 1, 0);
    const auto edges = static_cast<std::size_t>(other.colptr[other.destinations]);
    for (std::size_t e = 0; e < edges; ++e) ++begin[static_cast<std::size_t>(other.row[e]) + 1];
    for (std::size_t d = 0; d < own.destinations; ++d) begin[d + 1] += begin[d];
    std::vector<std::pair<std::int64_t, std::int32_t>> by_source(edges);  // position, local destination
    std::vector<std::int64_t> next(begin.begin(), begin.end() - 1);
    for (std::size_t d = 0; d < other.destinations; ++d)
        for (std::int64_t e = other.colptr[d]; e < other.colptr[d + 1]; ++e)
            by_source[static_cast<std::size_t>(next[static_cast<std::size_t>(other.row[e])]++)] = {other.pos[e], static_cast<std::int32_t>(d)};

    LocalEdges out;
    std::vector<Added> added;
    std::vector<std::int64_t> present;
    for (std::size_t d = 0; d < own.destinations; ++d) {
        out.row.insert(out.row.end(), own.row + own.colptr[d], own.row + own.colptr[d + 1]);
        out.pos.insert(out.pos.end(), own.pos + own.colptr[d], own.pos + own.colptr[d + 1]);
        if (d < nodes.end && begin[d] != begin[d + 1]) {
            added.clear();
            for (std::int64_t i = begin[d]; i < begin[d + 1]; ++i) {
                const auto [pos, source] = by_source[static_cast<std::size_t>(i)];
                if (pos < 0) continue;
                opposites(pos, nodes.sources[static_cast<std::size_t>(source)], nodes.destinations[d],
                          [&, row = source](std::int64_t found) { added.push_back({found, row}); });
            }
            std::sort(added.begin(), added.end());
            added.erase(std::unique(added.begin(), added.end()), added.end());
            present.assign(own.pos + own.colptr[d], own.pos + own.colptr[d + 1]);
            std::sort(present.begin(), present.end());
            for (const Added& edge : added) {
                if (std::binary_search(present.begin(), present.end(), edge.pos)) continue;
                out.row.push_back(edge.row);
                out.pos.push_back(edge.pos);
            }
        }
        out.colptr.push_back(static_cast<std::int64_t>(out.pos.size()));
    }
    return out;
}

}  // namespace gnnctl
