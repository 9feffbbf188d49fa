#include "sampled_graph.h"

#include <pybind11/numpy.h>

#include <atomic>
#include <limits>

#include "csc_checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// A seed would otherwise see what is not yet there, and nobody would notice. Releasing the GIL here and below is safe:
// the arrays are held by the caller's frame and nobody else may resize them.
template <class Row>
void check_times(const SampledEdgeType& type, std::size_t num_dst, const std::string& name, std::size_t threads) {
    std::atomic<bool> bad{false};
    {
        const py::gil_scoped_release unlocked;
        const auto* row = static_cast<const Row*>(type.row);
        in_parallel(num_dst, threads, 1 << 16, [&](std::size_t first, std::size_t last) {
            bool found = false;
            for (std::size_t d = first; d < last; ++d) {
                std::int64_t before = std::numeric_limits<std::int64_t>::min();
                for (std::int64_t e = type.colptr[d]; e < type.colptr[d + 1]; ++e) {
                    const std::int64_t time = type.times.visible(row, e);
                    found |= time < before;
                    before = time;
                }
            }
            if (found) bad = true;
        });
    }
    if (bad) throw py::value_error(name + ": in-edges are not sorted by visible time, the later of the edge's and its source's");
}

std::unique_ptr<PrefixSums> prefix_sums(const float* weight, const std::int64_t* colptr, std::size_t num_dst,
                                        std::size_t num_edges, const std::string& name, std::size_t threads) {
    std::atomic<bool> bad{false};
    auto sums = std::make_unique<PrefixSums>(num_edges);
    {
        const py::gil_scoped_release unlocked;
        in_parallel(num_dst, threads, 1 << 16, [&](std::size_t first, std::size_t last) {
            for (std::size_t d = first; d < last; ++d)
                if (!sums->add(weight, colptr[d], colptr[d + 1])) bad = true;
        });
    }
    if (bad) throw py::value_error(name + ": a weight is negative or not finite");
    return sums;
}

}  // namespace

std::vector<std::int64_t> checked_fan_out(const std::vector<std::int64_t>& fan_out, std::size_t hops, const std::string& name) {
    if (fan_out.size() != hops)
        throw py::value_error(name + ": expected " + std::to_string(hops) + " hops, got " + std::to_string(fan_out.size()));
    for (const std::int64_t k : fan_out)
        if (k < -1 || k > 0x7FFFFFFF) throw py::value_error(name + ": expected -1 (all) or 0 to 2147483647, got " + std::to_string(k));
    return fan_out;
}

SampledEdgeType SampledGraph::check(const GivenEdgeType& given, const std::string& at, const SamplerPlan& plan, std::size_t threads) {
    SampledEdgeType type;
    type.src = given.src;
    type.dst = given.dst;
    type.name_hash = given.name_hash;
    type.fan_out = checked_fan_out(given.fan_out, plan.hops, at + ".fan_out");
    if (type.src >= plan.num_nodes.size() || type.dst >= plan.num_nodes.size())
        throw py::value_error(at + ": src or dst is no node type");
    const std::int64_t num_src = plan.num_nodes[type.src];
    const auto num_dst = static_cast<std::size_t>(plan.num_nodes[type.dst]);
    std::size_t num_colptr = 0, num_edges = 0;
    type.colptr = checked_vector<std::int64_t>(given.colptr, at + ".colptr", num_colptr);
    type.wide = py::isinstance<py::array>(given.row) && has_dtype<std::int64_t>(py::reinterpret_borrow<py::array>(given.row));
    if (type.wide)
        type.row = checked_vector<std::int64_t>(given.row, at + ".row", num_edges);
    else
        type.row = checked_vector<std::int32_t>(given.row, at + ".row", num_edges);
    checked_colptr(type.colptr, num_colptr, plan.num_nodes[type.dst], num_edges, at + ".colptr");
    if (type.wide)
        checked_rows(static_cast<const std::int64_t*>(type.row), num_edges, num_src, at + ".row", threads);
    else
        checked_rows(static_cast<const std::int32_t*>(type.row), num_edges, num_src, at + ".row", threads);

    const auto sized = [&](const py::object& array, const std::string& name, std::size_t size, auto zero) -> const decltype(zero)* {
        if (array.is_none()) return nullptr;
        std::size_t found = 0;
        const auto* data = checked_vector<decltype(zero)>(array, at + name, found);
        if (found != size) throw py::value_error(at + name + ": expected " + std::to_string(size) + " entries, got " + std::to_string(found));
        held_.push_back(array);
        return data;
    };
    type.times.edge = sized(given.time, ".time", num_edges, std::int64_t{});
    type.times.source = sized(given.source_time, ".source_time", static_cast<std::size_t>(num_src), std::int64_t{});
    if (type.times.any()) {
        const std::string name = at + (type.times.edge != nullptr ? ".time" : ".source_time");
        if (type.wide)
            check_times<std::int64_t>(type, num_dst, name, threads);
        else
            check_times<std::int32_t>(type, num_dst, name, threads);
    }
    if (const float* weight = sized(given.weight, ".weight", num_edges, float{}); weight != nullptr) {
        sums_.push_back(prefix_sums(weight, type.colptr, num_dst, num_edges, at + ".weight", threads));
        type.weights = sums_.back().get();
    }
    held_.push_back(given.colptr);
    held_.push_back(given.row);
    return type;
}

}  // namespace gnnctl
