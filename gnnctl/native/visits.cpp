// The nodes that short walks with restart visit most (Ying et al., PinSAGE, KDD 2018, section 3.1).
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "node_lists.h"
#include "walk.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

struct VisitPlan {
    WalkPlan walks;  // its length counts traversals of the metapath
    std::vector<std::size_t> metapath;
    double restart = 0;
    std::size_t top = 0;
};

// All walks of one node go forward together, so that their reads of the lists overlap.
class Visits {
public:
    Visits(const TypedCsc& graph, const VisitPlan& plan) : graph_(graph), plan_(plan), at_(plan.walks.walks), entry_(plan.walks.walks), key_(plan.walks.walks) {}

    void operator()(std::size_t i, std::vector<ScoredNode>& best) {
        const WalkPlan& walks = plan_.walks;
        const std::int64_t start = walks.starts[i];
        for (std::size_t w = 0; w < walks.walks; ++w) {
            at_[w] = start;
            key_[w] = walk_key(walks.key, start, w);
        }
        seen_.clear();
        for (std::size_t step = 0; step < walks.length; ++step) {
            for (std::size_t w = 0; w < walks.walks; ++w) {
                const bool again = step != 0 && unit_interval(keyed_random(absorb(key_[w], step), 0)) < plan_.restart;
                if (again) at_[w] = start;
            }
            for (std::size_t leg = 0; leg < plan_.metapath.size(); ++leg) take(step, leg);
            for (std::int64_t& node : at_) {
                if (node == kDeadEnd)
                    node = start;
                else if (node != start)
                    seen_.push_back(node);
            }
        }
        std::sort(seen_.begin(), seen_.end());
        for (std::size_t from = 0, to = 0; from < seen_.size(); from = to) {
            while (to < seen_.size() && seen_[to] == seen_[from]) ++to;
            best.push_back({seen_[from], static_cast<double>(to - from)});
        }
        keep_best(best, plan_.top);
    }

private:
    void take(std::size_t step, std::size_t leg) {
        const std::size_t index = plan_.metapath[leg];
        const CscType& type = graph_.types[index];
        const double* prefix = plan_.walks.weighted ? graph_.prefix(index).data() : nullptr;
        for (const std::int64_t node : at_)
            if (node != kDeadEnd) type.prefetch_list(node);
        for (std::size_t w = 0; w < at_.size(); ++w) {
            entry_[w] = kDeadEnd;
            if (at_[w] == kDeadEnd) continue;
            entry_[w] = drawn_entry(type, prefix, at_[w], keyed_random(absorb(key_[w], step), leg + 1));
            if (entry_[w] != kDeadEnd) type.prefetch(entry_[w]);
        }
        for (std::size_t w = 0; w < at_.size(); ++w) at_[w] = entry_[w] == kDeadEnd ? kDeadEnd : type.at(entry_[w]);
    }

    const TypedCsc& graph_;
    const VisitPlan& plan_;
    std::vector<std::int64_t> at_, entry_, seen_;
    std::vector<std::uint64_t> key_;
};

py::tuple most_visited(const PyTypedCsc& held, const py::object& nodes, const std::vector<std::size_t>& metapath,
                       const std::pair<long long, long long>& shape, double restart, long long top, std::uint64_t key, bool weighted,
                       long long num_threads) {
    const TypedCsc& graph = held.graph;
    VisitPlan plan;
    if (metapath.empty()) throw py::value_error("metapath: expected at least one edge type");
    for (std::size_t i = 0; i < metapath.size(); ++i) {
        checked_type(graph, metapath[i], "metapath");
        checked_weights(graph, metapath[i], weighted);
        const std::size_t next = checked_type(graph, metapath[(i + 1) % metapath.size()], "metapath");
        if (graph.types[metapath[i]].src != graph.types[next].dst)
            throw py::value_error("metapath: step " + std::to_string(i) + " does not end where the next begins");
    }
    constexpr long long most = 1 << 20;
    if (shape.first < 1 || shape.first > most) throw py::value_error("walks: expected 1 to 2^20, got " + std::to_string(shape.first));
    if (shape.second < 1 || shape.second > most / shape.first)
        throw py::value_error("length: expected 1 to 2^20 / walks, got " + std::to_string(shape.second));
    if (!(restart >= 0 && restart <= 1)) throw py::value_error("restart: expected 0 to 1, got " + std::to_string(restart));
    if (top < 0) throw py::value_error("top: expected 0 or more, got " + std::to_string(top));
    plan.walks.threads = checked_threads(num_threads);
    plan.walks.starts = copied_rows(nodes, graph.num_nodes[graph.types[metapath[0]].dst], "nodes");
    plan.walks.walks = static_cast<std::size_t>(shape.first);
    plan.walks.length = static_cast<std::size_t>(shape.second);
    plan.walks.key = key;
    plan.walks.weighted = weighted;
    plan.metapath = metapath;
    plan.restart = restart;
    plan.top = static_cast<std::size_t>(top);
    NodeLists lists;
    {
        // Safe without the GIL: the graph is constant and held by the caller, the plan is this call's own.
        const py::gil_scoped_release unlocked;
        lists = node_lists(plan.walks.starts.size(), plan.walks.threads, [&] { return Visits(graph, plan); });
    }
    return std::move(lists).to_python();
}

}  // namespace

void bind_visits(py::module_& m) {
    using py::arg;
    m.def("most_visited", &most_visited, arg("graph"), arg("nodes"), arg("metapath"), arg("shape"), arg("restart"), arg("top"),
          arg("key"), arg("weighted") = false, arg("num_threads") = 1,
          "(ptr, rows, counts): of each node those that its walks visit most, itself excepted; shape is (walks, length).");
}

}  // namespace gnnctl
