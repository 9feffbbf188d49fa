// Parts of a graph by one or several passes over its nodes in keyed order, each put where most of its neighbours are:
// Fennel (Tsourakakis et al., WSDM 2014), restreamed (Nishimura and Ugander, KDD 2013).
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "checks.h"
#include "csc_checks.h"
#include "keyed.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

struct Undirected {
    const std::int64_t* start;     // (nodes + 1,)
    const std::int64_t* neighbor;  // without loops
    const std::int64_t* weight;    // whole, positive
    std::int64_t nodes;
};

class StreamPartition {
public:
    StreamPartition(const Undirected& graph, std::int64_t parts, std::int64_t most, std::int64_t* out)
        : graph_(graph), most_(most), part_(out), size_(static_cast<std::size_t>(parts), 0), near_(size_.size(), 0) {
        for (std::int64_t p = 0; p < parts; ++p) by_size_.emplace(0, p);
        std::fill(part_, part_ + graph.nodes, -1);
        double total = 0;
        for (std::int64_t e = 0; e < graph.start[graph.nodes]; ++e) total += static_cast<double>(graph.weight[e]);
        const auto n = static_cast<double>(graph.nodes);
        alpha_ = graph.nodes ? std::sqrt(static_cast<double>(parts)) * (total / 2) / (n * std::sqrt(n)) : 0;
    }

    void pass(const std::vector<std::int64_t>& order) {
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i + 8 < order.size()) __builtin_prefetch(graph_.start + order[i + 8]);
            place(order[i]);
        }
    }

private:
    // What another node costs a part of this size: the derivative of alpha * size^1.5.
    double cost(std::int64_t size) const { return alpha_ * 1.5 * std::sqrt(static_cast<double>(size)); }

    void place(std::int64_t node) {
        if (part_[node] >= 0) resize(part_[node], -1);
        touched_.clear();
        for (std::int64_t e = graph_.start[node]; e < graph_.start[node + 1]; ++e) {
            const std::int64_t p = part_[graph_.neighbor[e]];
            if (p < 0) continue;
            if (near_[static_cast<std::size_t>(p)] == 0) touched_.push_back(p);
            near_[static_cast<std::size_t>(p)] += graph_.weight[e];
        }
        // Of the parts without a neighbour the smallest is best; the least number where several are alike.
        std::int64_t best = by_size_.begin()->second;
        double most = score(best);
        for (const std::int64_t p : touched_) {
            if (size_[static_cast<std::size_t>(p)] >= most_) continue;
            const double found = score(p);
            if (found > most || (found == most && p < best)) {
                best = p;
                most = found;
            }
        }
        for (const std::int64_t p : touched_) near_[static_cast<std::size_t>(p)] = 0;
        part_[node] = best;
        resize(best, 1);
    }

    double score(std::int64_t p) const {
        const auto i = static_cast<std::size_t>(p);
        return static_cast<double>(near_[i]) - cost(size_[i]);
    }

    void resize(std::int64_t p, std::int64_t by) {
        std::int64_t& size = size_[static_cast<std::size_t>(p)];
        auto held = by_size_.extract({size, p});
        size += by;
        held.value() = {size, p};
        by_size_.insert(std::move(held));
    }

    const Undirected& graph_;
    const std::int64_t most_;
    std::int64_t* part_;
    std::vector<std::int64_t> size_, near_, touched_;
    std::set<std::pair<std::int64_t, std::int64_t>> by_size_;
    double alpha_ = 0;
};

py::array_t<std::int64_t> stream_partition(const py::object& start, const py::object& neighbor, const py::object& weight, std::int64_t parts,
                                           std::int64_t most, std::int64_t passes, std::uint64_t key) {
    std::size_t num_start = 0, edges = 0, num_weight = 0;
    Undirected graph{};
    graph.start = checked_vector<std::int64_t>(start, "start", num_start);
    if (num_start == 0) throw py::value_error("start: empty");
    graph.neighbor = checked_vector<std::int64_t>(neighbor, "neighbor", edges);
    graph.weight = checked_vector<std::int64_t>(weight, "weight", num_weight);
    graph.nodes = static_cast<std::int64_t>(num_start) - 1;
    checked_colptr(graph.start, num_start, graph.nodes, edges, "start");
    checked_rows(graph.neighbor, edges, graph.nodes, "neighbor", 1);
    if (num_weight != edges) throw py::value_error("weight: expected as many entries as neighbor");
    for (std::size_t e = 0; e < edges; ++e)
        if (graph.weight[e] < 1) throw py::value_error("weight: expected 1 or more, got " + std::to_string(graph.weight[e]));
    if (parts < 1 || parts > 0x7FFFFFFF) throw py::value_error("parts: expected 1 to 2147483647, got " + std::to_string(parts));
    if (most < 1 || (graph.nodes + most - 1) / most > parts) throw py::value_error("most: " + std::to_string(parts) + " parts of that size do not hold all nodes");
    if (passes < 1 || passes > 1000) throw py::value_error("passes: expected 1 to 1000, got " + std::to_string(passes));
    py::array_t<std::int64_t> out(static_cast<py::ssize_t>(graph.nodes));
    std::int64_t* part = out.mutable_data();
    {
        // Safe without the GIL: inputs are held by the caller, the output is not yet visible to Python.
        const py::gil_scoped_release unlocked;
        std::vector<std::pair<std::uint64_t, std::int64_t>> keyed(static_cast<std::size_t>(graph.nodes));
        for (std::int64_t v = 0; v < graph.nodes; ++v) keyed[static_cast<std::size_t>(v)] = {absorb(key, static_cast<std::uint64_t>(v)), v};
        std::sort(keyed.begin(), keyed.end());
        std::vector<std::int64_t> order;
        order.reserve(keyed.size());
        for (const auto& [_, v] : keyed) order.push_back(v);
        StreamPartition partition(graph, parts, most, part);
        for (std::int64_t i = 0; i < passes; ++i) partition.pass(order);
    }
    return out;
}

}  // namespace

void bind_stream_partition(py::module_& m) {
    using py::arg;
    m.def("stream_partition", &stream_partition, arg("start"), arg("neighbor"), arg("weight"), arg("parts"), arg("most"), arg("passes"), arg("key"),
          "Part of each node of an undirected graph, none with more than `most` nodes.");
}

}  // namespace gnnctl
