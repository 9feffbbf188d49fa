// Python's door to the sampler: checks once what the kernel relies on, and wraps its buffers without copying.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "checks.h"
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

// Releasing the GIL here is safe: the arrays are held by the caller's frame and nobody else may resize them.
template <class Row>
void check_rows(const Row* row, std::size_t size, std::int64_t num_src, const std::string& name, std::size_t threads) {
    std::atomic<bool> bad{false};
    {
        const py::gil_scoped_release unlocked;
        in_parallel(size, threads, 1 << 20, [&](std::size_t first, std::size_t last) {
            bool found = false;
            for (std::size_t i = first; i < last; ++i) found |= row[i] < 0 || static_cast<std::int64_t>(row[i]) >= num_src;
            if (found) bad = true;
        });
    }
    if (bad) throw py::value_error(name + ": a source is outside 0.." + std::to_string(num_src - 1));
}

void check_colptr(const std::int64_t* colptr, std::size_t size, std::int64_t num_dst, std::size_t num_edges, const std::string& name) {
    if (size != static_cast<std::size_t>(num_dst) + 1)
        throw py::value_error(name + ": expected " + std::to_string(num_dst + 1) + " entries, got " + std::to_string(size));
    bool sorted = true;
    {
        const py::gil_scoped_release unlocked;
        for (std::size_t i = 1; i < size; ++i) sorted &= colptr[i - 1] <= colptr[i];
    }
    if (!sorted) throw py::value_error(name + ": not sorted");
    if (colptr[0] != 0) throw py::value_error(name + ": does not begin with 0");
    if (colptr[size - 1] != static_cast<std::int64_t>(num_edges))
        throw py::value_error(name + ": ends with " + std::to_string(colptr[size - 1]) + ", but there are " + std::to_string(num_edges) + " edges");
}

std::vector<std::int64_t> checked_fan_out(const std::vector<std::int64_t>& fan_out, std::size_t hops, const std::string& name) {
    if (fan_out.size() != hops)
        throw py::value_error(name + ": expected " + std::to_string(hops) + " hops, got " + std::to_string(fan_out.size()));
    for (const std::int64_t k : fan_out)
        if (k < -1 || k > 0x7FFFFFFF) throw py::value_error(name + ": expected -1 (all) or 0 to 2147483647, got " + std::to_string(k));
    return fan_out;
}

class PySampler {
public:
    PySampler(const std::vector<std::int64_t>& num_nodes, const std::vector<std::uint64_t>& node_type_hashes,
              const py::list& edge_types, std::size_t hops, std::uint64_t seed, bool replace, bool disjoint,
              const std::vector<std::int64_t>& budget, long long num_threads) {
        const std::size_t threads = checked_threads(num_threads);
        SamplerPlan plan;
        plan.num_nodes = num_nodes;
        plan.node_type_hashes = node_type_hashes;
        plan.hops = hops;
        plan.seed = seed;
        plan.replace = replace;
        plan.disjoint = disjoint;
        if (num_nodes.empty()) throw py::value_error("num_nodes: expected at least one node type");
        if (node_type_hashes.size() != num_nodes.size()) throw py::value_error("node_type_hashes: expected one for each node type");
        for (const std::int64_t n : num_nodes)
            if (n < 0 || n >= (std::int64_t{1} << (disjoint ? 32 : 62)))
                throw py::value_error("num_nodes: out of range: " + std::to_string(n));
        if (!budget.empty()) plan.budget = checked_fan_out(budget, hops, "budget");
        for (std::size_t e = 0; e < edge_types.size(); ++e) plan.edge_types.push_back(edge_type(edge_types[e], e, plan, threads));
        sampler_ = std::make_unique<NeighborSampler>(std::move(plan));
    }

    py::tuple sample(const py::object& seeds, std::size_t node_type, std::uint64_t epoch) {
        std::size_t count = 0;
        const std::int64_t* rows = checked_vector<std::int64_t>(seeds, "seeds", count);
        const SamplerPlan& plan = sampler_->plan();
        if (node_type >= plan.num_nodes.size()) throw py::value_error("node_type: out of range: " + std::to_string(node_type));
        // Copied, so that another Python thread that writes to the array cannot slip a bad row past the check.
        const std::vector<std::int64_t> own(rows, rows + count);
        for (const std::int64_t row : own)
            if (row < 0 || row >= plan.num_nodes[node_type])
                throw py::value_error("seeds: row " + std::to_string(row) + " is outside 0.." + std::to_string(plan.num_nodes[node_type] - 1));
        SampledSubgraph result;
        {
            // Safe without the GIL: the plan is constant, its arrays are held by this object, and each call has
            // a workspace of its own.
            const py::gil_scoped_release unlocked;
            result = sampler_->sample(own.data(), count, node_type, epoch);
        }
        py::list nodes, edges;
        for (SampledNodes& n : result.nodes) {
            py::array rows_out = wrap(n.rows, sampler_->pool());
            py::object group = py::none();
            if (plan.disjoint) group = wrap(n.group, sampler_->pool());
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
    SampledEdgeType edge_type(const py::object& object, std::size_t index, const SamplerPlan& plan, std::size_t threads) {
        const std::string at = "edge_types[" + std::to_string(index) + "]";
        if (!py::isinstance<py::tuple>(object) || py::len(object) != 6)
            throw py::type_error(at + ": expected (src, dst, colptr, row, name_hash, fan_out)");
        const auto parts = py::reinterpret_borrow<py::tuple>(object);
        SampledEdgeType type;
        try {
            type.src = parts[0].cast<std::uint32_t>();
            type.dst = parts[1].cast<std::uint32_t>();
            type.name_hash = parts[4].cast<std::uint64_t>();
            type.fan_out = checked_fan_out(parts[5].cast<std::vector<std::int64_t>>(), plan.hops, at + ".fan_out");
        } catch (const py::cast_error&) {
            throw py::type_error(at + ": expected (src, dst, colptr, row, name_hash, fan_out)");
        }
        if (type.src >= plan.num_nodes.size() || type.dst >= plan.num_nodes.size())
            throw py::value_error(at + ": src or dst is no node type");
        std::size_t num_colptr = 0, num_edges = 0;
        type.colptr = checked_vector<std::int64_t>(parts[2], at + ".colptr", num_colptr);
        const py::object row = parts[3];
        type.wide = py::isinstance<py::array>(row) && has_dtype<std::int64_t>(py::reinterpret_borrow<py::array>(row));
        if (type.wide)
            type.row = checked_vector<std::int64_t>(row, at + ".row", num_edges);
        else
            type.row = checked_vector<std::int32_t>(row, at + ".row", num_edges);
        check_colptr(type.colptr, num_colptr, plan.num_nodes[type.dst], num_edges, at + ".colptr");
        if (type.wide)
            check_rows(static_cast<const std::int64_t*>(type.row), num_edges, plan.num_nodes[type.src], at + ".row", threads);
        else
            check_rows(static_cast<const std::int32_t*>(type.row), num_edges, plan.num_nodes[type.src], at + ".row", threads);
        held_.push_back(parts[2]);
        held_.push_back(row);
        return type;
    }

    std::vector<py::object> held_;
    std::unique_ptr<NeighborSampler> sampler_;
};

}  // namespace

void bind_sampler(py::module_& m) {
    py::class_<PySampler>(m, "Sampler", "Keyed neighbour sampling; thread safe, the GIL released while it works.")
        .def(py::init<const std::vector<std::int64_t>&, const std::vector<std::uint64_t>&, const py::list&, std::size_t,
                      std::uint64_t, bool, bool, const std::vector<std::int64_t>&, long long>(),
             py::arg("num_nodes"), py::arg("node_type_hashes"), py::arg("edge_types"), py::arg("hops"), py::arg("seed"),
             py::arg("replace"), py::arg("disjoint"), py::arg("budget"), py::arg("num_threads"))
        .def("sample", &PySampler::sample, py::arg("seeds"), py::arg("node_type"), py::arg("epoch"),
             "([(rows, group or None, counts) per node type], [(colptr, row, pos, counts) per edge type])");
}

}  // namespace gnnctl
