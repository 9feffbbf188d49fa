// Nodes by HGSampling (Hu et al., WWW 2020, algorithm 1): per hop and type a fixed number, by squared budgets.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "checks.h"
#include "keyed.h"
#include "node_table.h"
#include "typed_csc_bind.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// The nodes of one type that have a budget or are kept.
struct Candidates {
    Candidates() : table(std::make_shared<BufferPool>(), ~std::uint64_t{0}) {}

    std::size_t number(std::int64_t row) {
        if (!table.fits(rows.size() + 1))
            table.grow(2 * rows.size() + 2, rows.size(), [&](std::size_t i) { return static_cast<std::uint64_t>(rows[i]); });
        auto next = static_cast<std::uint32_t>(rows.size());
        const std::uint32_t found = table.insert_hashed(static_cast<std::uint64_t>(row), next);
        if (found == rows.size()) {
            rows.push_back(row);
            budget.push_back(0);
            kept.push_back(false);
        }
        return found;
    }

    NodeTable<std::uint64_t> table;
    std::vector<std::int64_t> rows;
    std::vector<double> budget;
    std::vector<bool> kept;
};

class HgSampler {
public:
    explicit HgSampler(const TypedCsc& graph) : graph_(graph), candidates_(graph.num_nodes.size()), frontier_(graph.num_nodes.size()), out_(graph.num_nodes.size()) {}

    // Seeds in ascending order, so that budgets are summed in the same order whatever order the batch has.
    std::vector<std::vector<std::int64_t>> run(std::vector<std::int64_t> seeds, std::size_t node_type, const std::vector<std::int64_t>& takes,
                                               const std::vector<std::vector<std::uint64_t>>& keys) {
        std::sort(seeds.begin(), seeds.end());
        for (const std::int64_t row : seeds) {
            Candidates& own = candidates_[node_type];
            own.kept[own.number(row)] = true;
        }
        frontier_[node_type] = std::move(seeds);
        for (std::size_t hop = 0; hop < takes.size(); ++hop) {
            for (const CscType& type : graph_.types) spend(type);
            for (std::size_t t = 0; t < candidates_.size(); ++t) draw(t, takes[hop], keys[hop][t]);
        }
        return std::move(out_);
    }

private:
    void spend(const CscType& type) {
        Candidates& sources = candidates_[type.src];
        for (const std::int64_t node : frontier_[type.dst]) {
            const std::int64_t first = type.colptr[node], last = type.colptr[node + 1];
            const double share = 1.0 / static_cast<double>(last - first);
            for (std::int64_t e = first; e < last; ++e) sources.budget[sources.number(type.at(e))] += share;
        }
    }

    // Drawing by weight without replacement is taking the least of exponential variates over the weights.
    void draw(std::size_t t, std::int64_t take, std::uint64_t key) {
        Candidates& own = candidates_[t];
        race_.clear();
        for (std::size_t i = 0; i < own.rows.size(); ++i) {
            if (own.kept[i]) continue;
            const double uniform = (static_cast<double>(absorb(key, static_cast<std::uint64_t>(own.rows[i])) >> 11) + 0.5) * 0x1.0p-53;
            race_.emplace_back(-std::log(uniform) / (own.budget[i] * own.budget[i]), own.rows[i]);
        }
        const std::size_t count = std::min(race_.size(), static_cast<std::size_t>(take));
        if (count < race_.size()) std::nth_element(race_.begin(), race_.begin() + static_cast<std::ptrdiff_t>(count), race_.end());
        std::vector<std::int64_t>& fresh = frontier_[t];
        fresh.clear();
        for (std::size_t i = 0; i < count; ++i) fresh.push_back(race_[i].second);
        std::sort(fresh.begin(), fresh.end());
        for (const std::int64_t row : fresh) own.kept[own.number(row)] = true;
        out_[t].insert(out_[t].end(), fresh.begin(), fresh.end());
    }

    const TypedCsc& graph_;
    std::vector<Candidates> candidates_;
    std::vector<std::vector<std::int64_t>> frontier_, out_;
    std::vector<std::pair<double, std::int64_t>> race_;
};

py::list hgt_nodes(const PyTypedCsc& held, const py::object& seeds, std::size_t node_type, const std::vector<std::int64_t>& takes,
                   const std::vector<std::vector<std::uint64_t>>& keys) {
    const TypedCsc& graph = held.graph;
    if (node_type >= graph.num_nodes.size()) throw py::value_error("node_type: out of range: " + std::to_string(node_type));
    std::vector<std::int64_t> rows = copied_rows(seeds, graph.num_nodes[node_type], "seeds");
    for (const std::int64_t take : takes)
        if (take < 0 || take > 0x7FFFFFFF) throw py::value_error("takes: expected 0 to 2147483647, got " + std::to_string(take));
    if (keys.size() != takes.size()) throw py::value_error("keys: expected as many hops as takes");
    for (const auto& hop : keys)
        if (hop.size() != graph.num_nodes.size()) throw py::value_error("keys: expected one for each node type");
    std::vector<std::vector<std::int64_t>> found;
    {
        // Safe without the GIL: the graph is constant and held by the caller, the seeds are a copy.
        const py::gil_scoped_release unlocked;
        found = HgSampler(graph).run(std::move(rows), node_type, takes, keys);
    }
    py::list out;
    for (auto& type : found) out.append(owned_array(std::move(type)));
    return out;
}

}  // namespace

void bind_hgt(py::module_& m) {
    using py::arg;
    m.def("hgt_nodes", &hgt_nodes, arg("graph"), arg("seeds"), arg("node_type"), arg("takes"), arg("keys"),
          "By node type the rows that the hops add to the seeds: takes[hop] of each type, keyed by keys[hop][type].");
}

}  // namespace gnnctl
