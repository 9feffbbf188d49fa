#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <tuple>

#include "checks.h"
#include "negatives.h"
#include "typed_csc_bind.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

using PopulationArgument = std::tuple<std::int64_t, py::object, py::object>;  // size, nodes or None, sums or None
using RulesArgument = std::tuple<std::string, bool, bool, std::uint64_t>;     // corrupt, exclude, loops, key

Population checked_population(const PopulationArgument& argument, std::int64_t num_nodes, const std::string& name) {
    const auto& [size, nodes, sums] = argument;
    Population population;
    population.size = size;
    std::size_t count = 0;
    if (!nodes.is_none()) {
        population.nodes = checked_vector<std::int64_t>(nodes, name + ".nodes", count);
        if (static_cast<std::int64_t>(count) != size) throw py::value_error(name + ".nodes: expected as many as the size");
        for (std::size_t i = 0; i < count; ++i)
            if (population.nodes[i] < 0 || population.nodes[i] >= num_nodes || (i > 0 && population.nodes[i] <= population.nodes[i - 1]))
                throw py::value_error(name + ".nodes: not ascending rows of the node type");
    } else if (size != num_nodes) {
        throw py::value_error(name + ": expected all " + std::to_string(num_nodes) + " nodes of the type");
    }
    if (!sums.is_none()) {
        population.sums = checked_vector<std::int64_t>(sums, name + ".sums", count);
        if (static_cast<std::int64_t>(count) != size + 1) throw py::value_error(name + ".sums: expected one more entry than nodes");
        if (population.sums[0] != 0 || !std::is_sorted(population.sums, population.sums + count))
            throw py::value_error(name + ".sums: does not rise from 0");
    }
    return population;
}

struct Checked {
    NegativePlan plan;
    const SortedLists* lists = nullptr;
};

// `turned`: the lists are those of sources, so that the roles of the type's ends are exchanged.
Checked checked(const PyTypedCsc& held, std::size_t edge_type, const py::tuple& positives, std::int64_t each, const py::tuple& populations,
                const RulesArgument& rules, bool turned, long long num_threads) {
    Checked found;
    NegativePlan& plan = found.plan;
    plan.threads = checked_threads(num_threads);
    const TypedCsc& graph = held.graph;
    const CscType& type = graph.types[checked_type(graph, edge_type, "edge_type")];
    const std::int64_t num_src = graph.num_nodes[turned ? type.dst : type.src], num_dst = graph.num_nodes[turned ? type.src : type.dst];
    if (each < 0 || each > 0x7FFFFFFF) throw py::value_error("per_positive: out of range: " + std::to_string(each));
    plan.each = static_cast<std::size_t>(each);
    if (positives.size() != 2) throw py::value_error("positives: expected sources and destinations");
    std::size_t num_dst_ends = 0;
    plan.src = checked_vector<std::int64_t>(positives[0], "positives", plan.positives);
    plan.dst = checked_vector<std::int64_t>(positives[1], "positives", num_dst_ends);
    if (num_dst_ends != plan.positives) throw py::value_error("positives: as many sources as destinations expected");
    if (plan.each != 0 && plan.positives > (std::size_t{1} << 40) / plan.each) throw py::value_error("per_positive: too many negatives");
    const auto& [corrupt, exclude, loops, key] = rules;
    plan.exclude = exclude;
    plan.loops = loops || type.src != type.dst;
    plan.key = key;
    if (corrupt == "src") plan.corrupt = Corrupt::src;
    else if (corrupt == "dst") plan.corrupt = Corrupt::dst;
    else if (corrupt == "both") plan.corrupt = Corrupt::both;
    else throw py::value_error("corrupt: expected 'src', 'dst' or 'both', got '" + corrupt + "'");
    if (plan.corrupt != Corrupt::both)
        for (std::size_t i = 0; i < plan.positives; ++i) {
            if (plan.src[i] < 0 || plan.src[i] >= num_src) throw py::value_error("positives: source " + std::to_string(plan.src[i]) + " is outside 0.." + std::to_string(num_src - 1));
            if (plan.dst[i] < 0 || plan.dst[i] >= num_dst) throw py::value_error("positives: destination " + std::to_string(plan.dst[i]) + " is outside 0.." + std::to_string(num_dst - 1));
        }
    if (populations.size() != 2) throw py::value_error("populations: expected those of sources and destinations");
    if (plan.corrupt != Corrupt::dst) plan.sources = checked_population(populations[0].cast<PopulationArgument>(), num_src, "populations[0]");
    if (plan.corrupt != Corrupt::src) plan.destinations = checked_population(populations[1].cast<PopulationArgument>(), num_dst, "populations[1]");
    return found;
}

py::tuple draw(const PyTypedCsc& graph, std::size_t edge_type, const py::tuple& positives, std::int64_t each, const py::tuple& populations,
               const RulesArgument& rules, long long num_threads) {
    const Checked found = checked(graph, edge_type, positives, each, populations, rules, false, num_threads);
    const auto size = static_cast<py::ssize_t>(found.plan.positives * found.plan.each);
    py::array_t<std::int64_t> src(size), dst(size);
    const Pairs out{src.mutable_data(), dst.mutable_data()};
    std::vector<std::int64_t> missing;
    {
        // Safe without the GIL: inputs are held by the caller, outputs are not yet visible to Python.
        const py::gil_scoped_release unlocked;
        missing = draw_negatives(graph.graph.sorted(edge_type), found.plan, out);
    }
    return py::make_tuple(src, dst, owned_array(std::move(missing)));
}

void complete(const PyTypedCsc& graph, std::size_t edge_type, const py::tuple& positives, std::int64_t each, const py::tuple& populations,
              const RulesArgument& rules, const py::array& src, const py::array& dst, const py::object& missing, long long num_threads) {
    const bool turned = std::get<0>(rules) == "dst";
    const Checked found = checked(graph, edge_type, positives, each, populations, rules, turned, num_threads);
    std::size_t num_src = 0, num_dst = 0, count = 0;
    checked_vector<std::int64_t>(src, "src", num_src);
    checked_vector<std::int64_t>(dst, "dst", num_dst);
    const std::int64_t* which = checked_vector<std::int64_t>(missing, "missing", count);
    const std::size_t size = found.plan.positives * found.plan.each;
    if (num_src != size || !src.writeable()) throw py::value_error("src: expected a writeable entry for each negative");
    if (num_dst != size || !dst.writeable()) throw py::value_error("dst: expected a writeable entry for each negative");
    for (std::size_t n = 0; n < count; ++n)
        if (which[n] < 0 || which[n] >= static_cast<std::int64_t>(size)) throw py::value_error("missing: out of range");
    const Pairs out{static_cast<std::int64_t*>(const_cast<void*>(src.data())), static_cast<std::int64_t*>(const_cast<void*>(dst.data()))};
    // Safe without the GIL: the caller holds all arrays, and the results are its own.
    const py::gil_scoped_release unlocked;
    draw_exactly(graph.graph.sorted(edge_type), found.plan, which, count, out);
}

}  // namespace

void bind_negatives(py::module_& m) {
    using py::arg;
    m.def("draw_negatives", &draw, arg("graph"), arg("edge_type"), arg("positives"), arg("per_positive"), arg("populations"), arg("rules"),
          arg("num_threads") = 1, "(src, dst, missing): pairs, and which of them are still to be drawn exactly.");
    m.def("complete_negatives", &complete, arg("graph"), arg("edge_type"), arg("positives"), arg("per_positive"), arg("populations"),
          arg("rules"), arg("src"), arg("dst"), arg("missing"), arg("num_threads") = 1,
          "Draws the missing pairs among what is allowed; graph holds the lists of the end that is kept.");
}

}  // namespace gnnctl
