#include "typed_csc_bind.h"

#include <pybind11/stl.h>

#include <cmath>

#include "csc_checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

void check_weight(const float* weight, std::size_t size, const std::string& name) {
    bool good = true;
    {
        const py::gil_scoped_release unlocked;
        for (std::size_t i = 0; i < size; ++i) good &= std::isfinite(weight[i]) && weight[i] >= 0;
    }
    if (!good) throw py::value_error(name + ": a weight is negative or not finite");
}

CscType checked_edges(const py::object& object, const std::string& at, const std::vector<std::int64_t>& num_nodes, std::size_t threads) {
    if (!py::isinstance<py::tuple>(object) || py::len(object) != 5)
        throw py::type_error(at + ": expected (src, dst, colptr, row, weight or None)");
    const auto parts = py::reinterpret_borrow<py::tuple>(object);
    CscType type;
    try {
        type.src = parts[0].cast<std::uint32_t>();
        type.dst = parts[1].cast<std::uint32_t>();
    } catch (const py::cast_error&) {
        throw py::type_error(at + ": expected (src, dst, colptr, row, weight or None)");
    }
    if (type.src >= num_nodes.size() || type.dst >= num_nodes.size()) throw py::value_error(at + ": src or dst is no node type");
    std::size_t num_colptr = 0, num_edges = 0, num_weights = 0;
    type.num_dst = num_nodes[type.dst];
    type.colptr = checked_vector<std::int64_t>(parts[2], at + ".colptr", num_colptr);
    const py::object row = parts[3];
    if (py::isinstance<py::array>(row) && has_dtype<std::int64_t>(py::reinterpret_borrow<py::array>(row)))
        type.wide = checked_vector<std::int64_t>(row, at + ".row", num_edges);
    else
        type.narrow = checked_vector<std::int32_t>(row, at + ".row", num_edges);
    checked_colptr(type.colptr, num_colptr, type.num_dst, num_edges, at + ".colptr");
    if (type.wide)
        checked_rows(type.wide, num_edges, num_nodes[type.src], at + ".row", threads);
    else
        checked_rows(type.narrow, num_edges, num_nodes[type.src], at + ".row", threads);
    if (!parts[4].is_none()) {
        type.weight = checked_vector<float>(parts[4], at + ".weight", num_weights);
        if (num_weights != num_edges) throw py::value_error(at + ".weight: expected " + std::to_string(num_edges) + " entries, got " + std::to_string(num_weights));
        check_weight(type.weight, num_weights, at + ".weight");
    }
    return type;
}

std::unique_ptr<PyTypedCsc> make(const std::vector<std::int64_t>& num_nodes, const py::list& edge_types, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    if (num_nodes.empty()) throw py::value_error("num_nodes: expected at least one node type");
    for (const std::int64_t n : num_nodes)
        if (n < 0 || n >= (std::int64_t{1} << 48)) throw py::value_error("num_nodes: out of range: " + std::to_string(n));
    auto made = std::make_unique<PyTypedCsc>();
    made->graph.num_nodes = num_nodes;
    for (std::size_t e = 0; e < edge_types.size(); ++e) {
        const py::object object = edge_types[e];
        made->graph.types.push_back(checked_edges(object, "edge_types[" + std::to_string(e) + "]", num_nodes, threads));
        made->held.push_back(object);  // a tuple, which nobody can take the arrays out of
    }
    made->graph.finish();
    return made;
}

}  // namespace

void bind_typed_csc(py::module_& m) {
    py::class_<PyTypedCsc>(m, "TypedCsc", "A typed graph, its arrays checked once and kept alive; thread safe.")
        .def(py::init(&make), py::arg("num_nodes"), py::arg("edge_types"), py::arg("num_threads") = 1);
}

}  // namespace gnnctl
