// Python's door to the sampler: checks once what the kernel relies on, and wraps its buffers without copying.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checks.h"
#include "sampled_graph.h"
#include "sampler.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

struct PooledBlock {
    std::shared_ptr<BufferPool> pool;
    Block block;
};

template <class T>
py::array wrap(Buffer<T>& buffer, const std::shared_ptr<BufferPool>& pool) {
    const std::size_t size = buffer.size();
    if (size == 0) return py::array_t<T>(0);
    const Block block = buffer.release();
    auto* owned = new PooledBlock{pool, block};
    py::capsule owner(owned, [](void* pointer) {
        auto* held = static_cast<PooledBlock*>(pointer);
        held->pool->give(held->block);
        delete held;
    });
    return py::array_t<T>({static_cast<py::ssize_t>(size)}, {static_cast<py::ssize_t>(sizeof(T))}, static_cast<const T*>(block.data), owner);
}

SamplerRules checked_rules(bool replace, bool disjoint, const std::string& draw, const std::string& visible,
                           const std::vector<std::int64_t>& budget) {
    SamplerRules rules;
    rules.replace = replace;
    rules.disjoint = disjoint;
    rules.budget = budget;
    const auto one_of = [](const std::string& name, const std::string& word, const std::vector<std::string>& words) {
        const auto at = std::find(words.begin(), words.end(), word);
        if (at == words.end()) throw py::value_error(name + ": unknown: '" + word + "'");
        return at - words.begin();
    };
    rules.draw = static_cast<Draw>(one_of("draw", draw, {"uniform", "weighted", "recent", "labor"}));
    rules.visible = static_cast<Visible>(one_of("visible", visible, {"always", "before", "until"}));
    if (rules.visible != Visible::always && !disjoint) throw py::value_error("visible: seeds with times need disjoint");
    if (replace && (rules.draw == Draw::recent || rules.draw == Draw::labor))
        throw py::value_error("replace: '" + draw + "' draws without replacement only");
    if (disjoint && rules.draw == Draw::labor) throw py::value_error("disjoint: 'labor' shares draws between seeds");
    return rules;
}

class PySampler {
public:
    PySampler(const std::vector<std::int64_t>& num_nodes, const std::vector<std::uint64_t>& node_type_hashes,
              const std::vector<GivenEdgeType>& edge_types, std::size_t hops, std::uint64_t seed, const SamplerRules& rules,
              long long num_threads) {
        const std::size_t threads = checked_threads(num_threads);
        SamplerPlan plan;
        plan.num_nodes = num_nodes;
        plan.node_type_hashes = node_type_hashes;
        plan.hops = hops;
        plan.seed = seed;
        plan.rules = rules;
        if (num_nodes.empty()) throw py::value_error("num_nodes: expected at least one node type");
        if (node_type_hashes.size() != num_nodes.size()) throw py::value_error("node_type_hashes: expected one for each node type");
        for (const std::int64_t n : num_nodes)
            if (n < 0 || n >= (std::int64_t{1} << (rules.disjoint ? 32 : 62)))
                throw py::value_error("num_nodes: out of range: " + std::to_string(n));
        if (!rules.budget.empty()) checked_fan_out(rules.budget, hops, "budget");
        for (std::size_t e = 0; e < edge_types.size(); ++e)
            plan.edge_types.push_back(graph_.check(edge_types[e], "edge_types[" + std::to_string(e) + "]", plan, threads));
        sampler_ = std::make_unique<NeighborSampler>(std::move(plan));
    }

    py::tuple sample(const py::object& rows, std::size_t node_type, std::uint64_t epoch, const py::object& times) {
        const SamplerPlan& plan = sampler_->plan();
        if (node_type >= plan.num_nodes.size()) throw py::value_error("node_type: out of range: " + std::to_string(node_type));
        // Copied, so that another Python thread that writes to an array cannot slip a bad row past the check.
        const auto copied = [](const py::object& array, const char* name) {
            std::size_t size = 0;
            const std::int64_t* data = checked_vector<std::int64_t>(array, name, size);
            return std::vector<std::int64_t>(data, data + size);
        };
        Seeds seeds;
        seeds.node_type = node_type;
        seeds.rows = copied(rows, "seeds");
        for (const std::int64_t row : seeds.rows)
            if (row < 0 || row >= plan.num_nodes[node_type])
                throw py::value_error("seeds: row " + std::to_string(row) + " is outside 0.." + std::to_string(plan.num_nodes[node_type] - 1));
        const bool timed = plan.rules.visible != Visible::always;
        if (timed == times.is_none()) throw py::value_error(timed ? "times: missing" : "times: this sampler takes none");
        if (timed) {
            seeds.times = copied(times, "times");
            if (seeds.times.size() != seeds.rows.size()) throw py::value_error("times: expected one for each seed");
        }
        SampledSubgraph result;
        {
            // Safe without the GIL: the plan is constant, its arrays are held by this object, and each call has
            // a workspace of its own.
            const py::gil_scoped_release unlocked;
            result = sampler_->sample(seeds, epoch);
        }
        py::list nodes, edges;
        for (SampledNodes& n : result.nodes) {
            py::array rows_out = wrap(n.rows, sampler_->pool());
            py::object group = py::none();
            if (plan.rules.disjoint) group = wrap(n.group, sampler_->pool());
            nodes.append(py::make_tuple(rows_out, group, n.counts));
        }
        for (SampledEdges& e : result.edges) {
            py::array colptr = wrap(e.colptr, sampler_->pool());
            py::array row = wrap(e.row, sampler_->pool());
            py::array pos = wrap(e.pos, sampler_->pool());
            edges.append(py::make_tuple(colptr, row, pos, e.counts));
        }
        return py::make_tuple(nodes, edges);
    }

private:
    SampledGraph graph_;
    std::unique_ptr<NeighborSampler> sampler_;
};

}  // namespace

void bind_sampler(py::module_& m) {
    using py::arg;
    py::class_<GivenEdgeType>(m, "SampledEdgeType", "An edge type to sample: a CSC, its fan-outs, and what drawing needs.")
        .def(py::init([](std::uint32_t src, std::uint32_t dst, py::object colptr, py::object row, std::uint64_t name_hash,
                         std::vector<std::int64_t> fan_out, py::object weight, py::object time, py::object source_time) {
                 return GivenEdgeType{src, dst, std::move(colptr), std::move(row), name_hash, std::move(fan_out),
                                      std::move(weight), std::move(time), std::move(source_time)};
             }),
             arg("src"), arg("dst"), arg("colptr"), arg("row"), arg("name_hash"), arg("fan_out"),
             arg("weight") = py::none(), arg("time") = py::none(), arg("source_time") = py::none());
    py::class_<SamplerRules>(m, "SamplerRules", "How neighbours are drawn; see schemas/picks.md.")
        .def(py::init(&checked_rules), arg("replace") = false, arg("disjoint") = false, arg("draw") = "uniform",
             arg("visible") = "always", arg("budget") = std::vector<std::int64_t>());
    py::class_<PySampler>(m, "Sampler", "Keyed neighbour sampling; thread safe, the GIL released while it works.")
        .def(py::init<const std::vector<std::int64_t>&, const std::vector<std::uint64_t>&, const std::vector<GivenEdgeType>&,
                      std::size_t, std::uint64_t, const SamplerRules&, long long>(),
             arg("num_nodes"), arg("node_type_hashes"), arg("edge_types"), arg("hops"), arg("seed"),
             arg("rules") = SamplerRules(), arg("num_threads") = 1)
        .def("sample", &PySampler::sample, arg("seeds"), arg("node_type"), arg("epoch"), arg("times") = py::none(),
             "([(rows, group or None, counts) per node type], [(colptr, row, pos, counts) per edge type])");
}

}  // namespace gnnctl
