#include "induced.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>

#include "checks.h"
#include "node_finder.h"

namespace gnnctl {
namespace {

// A list longer than kShort, and so many times longer than the sources there can be, is not read through: each source
// is looked for in it.
constexpr std::int64_t kShort = 64, kHub = 8;
constexpr std::int64_t kAhead = 8;

// The local sources of one group, in order of their rows.
class SourcesByRow {
public:
    explicit SourcesByRow(const LocalNodes& nodes) : nodes_(nodes), order_(nodes.rows.size()) {
        std::iota(order_.begin(), order_.end(), 0);
        std::sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
            return group(a) != group(b) ? group(a) < group(b) : nodes_.rows[index(a)] < nodes_.rows[index(b)];
        });
    }
    std::pair<const std::int32_t*, const std::int32_t*> of(std::int32_t wanted) const {
        const auto first = std::partition_point(order_.begin(), order_.end(), [&](std::int32_t i) { return group(i) < wanted; });
        const auto last = std::partition_point(first, order_.end(), [&](std::int32_t i) { return group(i) == wanted; });
        return {order_.data() + (first - order_.begin()), order_.data() + (last - order_.begin())};
    }

private:
    static std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }
    std::int32_t group(std::int32_t i) const { return nodes_.groups.empty() ? 0 : nodes_.groups[index(i)]; }

    const LocalNodes& nodes_;
    std::vector<std::int32_t> order_;
};

class InducedType {
public:
    InducedType(const TypedCsc& graph, std::size_t type, const LocalNodes& sources, const LocalNodes& destinations, const NodeFinder& finder)
        : graph_(graph), index_(type), type_(graph.types[type]), sources_(sources), destinations_(destinations), finder_(finder) {}

    // The in-edges of destinations first .. last - 1.
    LocalEdges run(std::size_t first, std::size_t last) {
        LocalEdges out;
        for (std::size_t d = first; d < last; ++d) {
            if (d + 1 < last) type_.prefetch_list(destinations_.rows[d + 1]);
            const std::int64_t node = destinations_.rows[d];
            const std::int32_t group = destinations_.groups.empty() ? 0 : destinations_.groups[d];
            const std::int64_t degree = type_.colptr[node + 1] - type_.colptr[node];
            if (degree > kShort && degree > kHub * candidates(group))
                look_up(node, group, out);
            else
                read_through(node, group, out);
            out.colptr.push_back(static_cast<std::int64_t>(out.pos.size()));
        }
        return out;
    }

private:
    std::int64_t candidates(std::int32_t group) {
        if (sources_.groups.empty()) return static_cast<std::int64_t>(sources_.rows.size());
        const auto [first, last] = by_row().of(group);
        return last - first;
    }
    const SourcesByRow& by_row() {
        if (!by_row_) by_row_ = std::make_unique<SourcesByRow>(sources_);
        return *by_row_;
    }

    void read_through(std::int64_t node, std::int32_t group, LocalEdges& out) const {
        const std::int64_t last = type_.colptr[node + 1];
        for (std::int64_t e = type_.colptr[node]; e < last; ++e) {
            if (e + kAhead < last) finder_.prefetch(type_.at(e + kAhead), group);
            const std::int32_t local = finder_.find(type_.at(e), group);
            if (local == NodeFinder::kNone) continue;
            out.row.push_back(local);
            out.pos.push_back(e);
        }
    }

    void look_up(std::int64_t node, std::int32_t group, LocalEdges& out) {
        const SortedLists& lists = graph_.sorted(index_);
        found_.clear();
        const auto [from, to] = by_row().of(group);
        for (const std::int32_t* local = from; local != to; ++local) {
            const auto [first, last] = lists.range(node, sources_.rows[static_cast<std::size_t>(*local)]);
            for (std::int64_t e = first; e < last; ++e) found_.emplace_back(lists.position(e), *local);
        }
        std::sort(found_.begin(), found_.end());
        for (const auto& [pos, local] : found_) {
            out.row.push_back(local);
            out.pos.push_back(pos);
        }
    }

    const TypedCsc& graph_;
    const std::size_t index_;
    const CscType& type_;
    const LocalNodes& sources_;
    const LocalNodes& destinations_;
    const NodeFinder& finder_;
    std::unique_ptr<SourcesByRow> by_row_;
    std::vector<std::pair<std::int64_t, std::int32_t>> found_;
};

void append(LocalEdges& all, const LocalEdges& part) {
    const std::int64_t before = all.colptr.back();
    for (std::size_t i = 1; i < part.colptr.size(); ++i) all.colptr.push_back(before + part.colptr[i]);
    all.row.insert(all.row.end(), part.row.begin(), part.row.end());
    all.pos.insert(all.pos.end(), part.pos.begin(), part.pos.end());
}

}  // namespace

bool induced_edges(const TypedCsc& graph, const std::vector<LocalNodes>& nodes, const std::vector<std::size_t>& ends,
                   std::size_t threads, std::vector<LocalEdges>& out) {
    std::vector<NodeFinder> finders(nodes.size());
    for (std::size_t t = 0; t < nodes.size(); ++t) {
        const LocalNodes& n = nodes[t];
        if (!finders[t].build(n.rows.data(), n.groups.empty() ? nullptr : n.groups.data(), n.rows.size(), graph.num_nodes[t])) return false;
    }
    for (std::size_t e = 0; e < graph.types.size(); ++e) {
        const CscType& type = graph.types[e];
        std::mutex mutex;
        std::map<std::size_t, LocalEdges> parts;
        in_parallel(ends[e], threads, 256, [&](std::size_t first, std::size_t last) {
            LocalEdges part = InducedType(graph, e, nodes[type.src], nodes[type.dst], finders[type.src]).run(first, last);
            const std::lock_guard<std::mutex> lock(mutex);
            parts.emplace(first, std::move(part));
        });
        LocalEdges all = std::move(parts.begin()->second);
        for (auto part = std::next(parts.begin()); part != parts.end(); ++part) append(all, part->second);
        all.colptr.resize(nodes[type.dst].rows.size() + 1, all.colptr.back());
        out.push_back(std::move(all));
    }
    return true;
}

}  // namespace gnnctl
