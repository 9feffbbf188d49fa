// Python's door to the sampler: checks once what the kernel relies on, and wraps its buffers without copying.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
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
        Seeds seeds;
        seeds.rows.resize(plan.num_nodes.size());
        seeds.rows[node_type] = checked_seeds(rows, "seeds", node_type);
        const std::vector<std::int64_t>& own = seeds.rows[node_type];
        if (plan.rules.disjoint) {
            seeds.kind = plan.node_type_hashes[node_type];
            seeds.words.assign(own.begin(), own.end());
            seeds.group.resize(plan.num_nodes.size());
            for (std::size_t i = 0; i < own.size(); ++i) seeds.group[node_type].push_back(static_cast<std::int32_t>(i));
        }
        add_times(seeds, times, own.size());
        return sampled(seeds, epoch);
    }

    py::tuple sample_many(const std::vector<py::object>& rows, std::uint64_t epoch, const std::vector<py::object>& groups,
                          std::uint64_t kind, const py::object& words, const py::object& times,
                          const std::vector<std::tuple<std::size_t, py::object, py::object>>& hidden) {
        const SamplerPlan& plan = sampler_->plan();
        const std::size_t types = plan.num_nodes.size();
        if (rows.size() != types) throw py::value_error("seeds: expected one array for each node type");
        if (groups.size() != (plan.rules.disjoint ? types : 0))
            throw py::value_error(plan.rules.disjoint ? "groups: expected one array for each node type" : "groups: this sampler takes none");
        if (plan.rules.disjoint == words.is_none()) throw py::value_error(words.is_none() ? "words: missing" : "words: this sampler takes none");
        Seeds seeds;
        seeds.kind = kind;
        if (plan.rules.disjoint) {
            seeds.words = copied<std::uint64_t>(words, "words");
            if (seeds.words.size() >= 0x7FFFFFFF) throw py::value_error("words: too many");
        }
        const auto trees = static_cast<std::int64_t>(seeds.words.size());
        for (std::size_t t = 0; t < types; ++t) {
            seeds.rows.push_back(checked_seeds(rows[t], "seeds", t));
            if (!plan.rules.disjoint) continue;
            seeds.group.push_back(copied<std::int32_t>(groups[t], "groups"));
            if (seeds.group[t].size() != seeds.rows[t].size()) throw py::value_error("groups: expected one for each seed");
            for (const std::int32_t group : seeds.group[t])
                if (group < 0 || group >= trees) throw py::value_error("groups: no word is given for " + std::to_string(group));
        }
        add_times(seeds, times, seeds.words.size());
        if (!hidden.empty()) {
            if (!plan.rules.disjoint || plan.rules.replace)
                throw py::value_error("hidden: only trees without replacement hide edges");
            seeds.hidden.resize(plan.edge_types.size());
        }
        for (const auto& [e, ptr, offset] : hidden) {
            if (e >= plan.edge_types.size()) throw py::value_error("hidden: no such edge type: " + std::to_string(e));
            seeds.hidden[e] = checked_hidden(plan.edge_types[e], seeds.rows[plan.edge_types[e].dst], ptr, offset);
        }
        return sampled(seeds, epoch);
    }

private:
    // Copied, so that another Python thread that writes to an array cannot slip a bad value past the checks.
    template <class T>
    static std::vector<T> copied(const py::object& array, const std::string& name) {
        std::size_t size = 0;
        const T* data = checked_vector<T>(array, name, size);
        return std::vector<T>(data, data + size);
    }

    std::vector<std::int64_t> checked_seeds(const py::object& rows, const std::string& name, std::size_t node_type) const {
        std::vector<std::int64_t> found = copied<std::int64_t>(rows, name);
        const std::int64_t nodes = sampler_->plan().num_nodes[node_type];
        for (const std::int64_t row : found)
            if (row < 0 || row >= nodes)
                throw py::value_error(name + ": row " + std::to_string(row) + " is outside 0.." + std::to_string(nodes - 1));
        return found;
    }

    void add_times(Seeds& seeds, const py::object& times, std::size_t trees) const {
        const bool timed = sampler_->plan().rules.visible != Visible::always;
        if (timed == times.is_none()) throw py::value_error(timed ? "times: missing" : "times: this sampler takes none");
        if (!timed) return;
        seeds.times = copied<std::int64_t>(times, "times");
        if (seeds.times.size() != trees) throw py::value_error("times: expected one for each seed");
    }

    static HiddenEdges checked_hidden(const SampledEdgeType& type, const std::vector<std::int64_t>& rows, const py::object& ptr,
                                      const py::object& offset) {
        HiddenEdges found{copied<std::int64_t>(ptr, "hidden"), copied<std::int64_t>(offset, "hidden")};
        if (found.ptr.size() != rows.size() + 1 || found.ptr.front() != 0 || found.ptr.back() != static_cast<std::int64_t>(found.offset.size()))
            throw py::value_error("hidden: ptr does not fit the seeds");
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (found.ptr[i] > found.ptr[i + 1]) throw py::value_error("hidden: ptr falls");
        for (std::size_t i = 0; i < rows.size(); ++i)
            for (std::int64_t j = found.ptr[i], last = -1; j < found.ptr[i + 1]; ++j) {
                const std::int64_t at = found.offset[static_cast<std::size_t>(j)];
                if (at <= last || at >= type.colptr[rows[i] + 1] - type.colptr[rows[i]])
                    throw py::value_error("hidden: offsets must ascend within the in-edges of their seed");
                last = at;
            }
        return found;
    }

    py::tuple sampled(const Seeds& seeds, std::uint64_t epoch) {
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
            if (sampler_->plan().rules.disjoint) group = wrap(n.group, sampler_->pool());
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
             "([(rows, group or None, counts) per node type], [(colptr, row, pos, counts) per edge type])")
        .def("sample_many", &PySampler::sample_many, arg("seeds"), arg("epoch"), arg("groups") = std::vector<py::object>(),
             arg("kind") = 0, arg("words") = py::none(), arg("times") = py::none(),
             arg("hidden") = std::vector<std::tuple<std::size_t, py::object, py::object>>(),
             "sample() from seeds of several node types; groups, words and times are by tree, hidden (edge type, ptr, offsets)");
}

}  // namespace gnnctl
