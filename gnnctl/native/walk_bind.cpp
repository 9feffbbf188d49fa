#include "walk.h"

#include <pybind11/stl.h>

#include <cmath>
#include <utility>

#include "typed_csc_bind.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::uint64_t kMostEntries = std::uint64_t{1} << 40;

using Shape = std::pair<long long, long long>;  // walks a start, steps a walk

WalkPlan checked_plan(const TypedCsc& graph, const py::object& starts, std::size_t node_type, const Shape& shape, std::uint64_t key,
                      bool weighted, long long num_threads) {
    WalkPlan plan;
    plan.threads = checked_threads(num_threads);
    plan.starts = copied_rows(starts, graph.num_nodes[node_type], "starts");
    if (shape.first < 0) throw py::value_error("walks: expected 0 or more, got " + std::to_string(shape.first));
    if (shape.second < 0) throw py::value_error("length: expected 0 or more, got " + std::to_string(shape.second));
    plan.walks = static_cast<std::size_t>(shape.first);
    plan.length = static_cast<std::size_t>(shape.second);
    if (static_cast<double>(plan.starts.size()) * static_cast<double>(plan.walks) * (static_cast<double>(plan.length) + 1) >
        static_cast<double>(kMostEntries))
        throw py::value_error("length: the walks have more than 2^40 nodes");
    plan.key = key;
    plan.weighted = weighted;
    return plan;
}

template <class Run>
py::array_t<std::int64_t> walked(const WalkPlan& plan, Run&& run) {
    py::array_t<std::int64_t> out({static_cast<py::ssize_t>(plan.count()), static_cast<py::ssize_t>(plan.length + 1)});
    std::int64_t* data = out.mutable_data();
    // Safe without the GIL: the graph is constant and held by the caller, the result not yet visible to Python.
    const py::gil_scoped_release unlocked;
    run(data);
    return out;
}

py::array_t<std::int64_t> random_walk(const PyTypedCsc& held, const py::object& starts, const std::vector<std::size_t>& metapath,
                                      const Shape& shape, std::uint64_t key, bool weighted, long long num_threads) {
    const TypedCsc& graph = held.graph;
    if (metapath.empty()) throw py::value_error("metapath: expected at least one edge type");
    for (std::size_t i = 0; i < metapath.size(); ++i) {
        checked_type(graph, metapath[i], "metapath");
        checked_weights(graph, metapath[i], weighted);
        const bool again = i + 1 == metapath.size() && shape.second <= static_cast<long long>(metapath.size());
        const std::size_t next = metapath[(i + 1) % metapath.size()];
        checked_type(graph, next, "metapath");
        if (!again && graph.types[metapath[i]].src != graph.types[next].dst)
            throw py::value_error("metapath: step " + std::to_string(i) + " does not end where the next begins");
    }
    const WalkPlan plan = checked_plan(graph, starts, graph.types[metapath[0]].dst, shape, key, weighted, num_threads);
    return walked(plan, [&](std::int64_t* out) { random_walks(graph, metapath, plan, out); });
}

py::array_t<std::int64_t> node2vec(const PyTypedCsc& held, const py::object& starts, std::size_t edge_type, const Shape& shape,
                                   const std::pair<double, double>& bias, std::uint64_t key, bool weighted, long long num_threads) {
    const TypedCsc& graph = held.graph;
    checked_type(graph, edge_type, "edge_type", true);
    checked_weights(graph, edge_type, weighted);
    const auto check = [](double value, const char* name) {
        if (!(value >= 1e-30 && value <= 1e30)) throw py::value_error(std::string(name) + ": expected 1e-30 to 1e30, got " + std::to_string(value));
    };
    check(bias.first, "p");
    check(bias.second, "q");
    const WalkPlan plan = checked_plan(graph, starts, graph.types[edge_type].dst, shape, key, weighted, num_threads);
    return walked(plan, [&](std::int64_t* out) { node2vec_walks(graph, edge_type, bias.first, bias.second, plan, out); });
}

}  // namespace

void bind_walk(py::module_& m) {
    using py::arg;
    m.def("random_walk", &random_walk, arg("graph"), arg("starts"), arg("metapath"), arg("shape"), arg("key"),
          arg("weighted") = false, arg("num_threads") = 1, "(starts * walks, length + 1); shape is (walks, length).");
    m.def("node2vec", &node2vec, arg("graph"), arg("starts"), arg("edge_type"), arg("shape"), arg("bias"), arg("key"),
          arg("weighted") = false, arg("num_threads") = 1, "(starts * walks, length + 1); bias is (p, q).");
}

}  // namespace gnnctl
