#include "induced.h"

#include <pybind11/stl.h>

#include <stdexcept>
#include <string>

#include "typed_csc_bind.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kMostNodes = 0x7FFFFFFF;

LocalNodes checked_nodes(const py::object& object, std::int64_t num_nodes, const std::string& name) {
    if (!py::isinstance<py::tuple>(object) || py::len(object) != 2) throw py::type_error(name + ": expected (rows, groups or None)");
    const auto parts = py::reinterpret_borrow<py::tuple>(object);
    LocalNodes nodes;
    nodes.rows = copied_rows(parts[0], num_nodes, name + ".rows");
    if (nodes.rows.size() >= kMostNodes) throw py::value_error(name + ".rows: expected fewer than 2^31");
    if (parts[1].is_none()) return nodes;
    std::size_t count = 0;
    const std::int32_t* groups = checked_vector<std::int32_t>(parts[1], name + ".groups", count);
    if (count != nodes.rows.size()) throw py::value_error(name + ".groups: expected as many entries as rows");
    if (num_nodes >= (std::int64_t{1} << 32)) throw py::value_error(name + ".groups: the graph has 2^32 nodes of this type or more");
    nodes.groups.assign(groups, groups + count);
    for (const std::int32_t group : nodes.groups)
        if (group < 0) throw py::value_error(name + ".groups: negative: " + std::to_string(group));
    return nodes;
}

py::tuple to_python(LocalEdges& edges) {
    return py::make_tuple(owned_array(std::move(edges.colptr)), owned_array(std::move(edges.row)), owned_array(std::move(edges.pos)));
}

py::list induced_edges_of(const PyTypedCsc& held, const py::list& nodes, const std::vector<std::size_t>& ends, long long num_threads) {
    const TypedCsc& graph = held.graph;
    const std::size_t threads = checked_threads(num_threads);
    if (nodes.size() != graph.num_nodes.size()) throw py::value_error("nodes: expected " + std::to_string(graph.num_nodes.size()) + " types");
    if (ends.size() != graph.types.size()) throw py::value_error("ends: expected " + std::to_string(graph.types.size()) + " edge types");
    std::vector<LocalNodes> local;
    for (std::size_t t = 0; t < nodes.size(); ++t) local.push_back(checked_nodes(nodes[t], graph.num_nodes[t], "nodes[" + std::to_string(t) + "]"));
    for (std::size_t e = 0; e < ends.size(); ++e)
        if (ends[e] > local[graph.types[e].dst].rows.size()) throw py::value_error("ends[" + std::to_string(e) + "]: there are fewer nodes");
    std::vector<LocalEdges> found;
    bool distinct = false;
    {
        // Safe without the GIL: the graph is constant and held by the caller, the nodes are this call's own.
        const py::gil_scoped_release unlocked;
        distinct = induced_edges(graph, local, ends, threads, found);
    }
    if (!distinct) throw py::value_error("nodes: a row occurs twice in one group");
    py::list out;
    for (LocalEdges& edges : found) out.append(to_python(edges));
    return out;
}

// Copies: what a caller's other threads write to the arrays cannot slip past the checks.
struct OwnedEdges {
    std::vector<std::int64_t> colptr, pos;
    std::vector<std::int32_t> row;

    OwnedEdges(const py::object& object, std::size_t sources, std::size_t destinations, std::int64_t num_edges, const std::string& name) {
        if (!py::isinstance<py::tuple>(object) || py::len(object) != 3) throw py::type_error(name + ": expected (colptr, row, pos)");
        const auto parts = py::reinterpret_borrow<py::tuple>(object);
        std::size_t ends = 0, rows = 0, count = 0;
        const std::int64_t* colptr_data = checked_vector<std::int64_t>(parts[0], name + ".colptr", ends);
        const std::int32_t* row_data = checked_vector<std::int32_t>(parts[1], name + ".row", rows);
        const std::int64_t* pos_data = checked_vector<std::int64_t>(parts[2], name + ".pos", count);
        colptr.assign(colptr_data, colptr_data + ends);
        row.assign(row_data, row_data + rows);
        pos.assign(pos_data, pos_data + count);
        if (rows != count) throw py::value_error(name + ".pos: expected as many entries as row");
        if (ends != destinations + 1) throw py::value_error(name + ".colptr: expected " + std::to_string(destinations + 1) + " entries");
        bool rises = colptr.front() == 0 && colptr.back() == static_cast<std::int64_t>(rows);
        for (std::size_t i = 1; i < ends; ++i) rises &= colptr[i - 1] <= colptr[i];
        if (!rises) throw py::value_error(name + ".colptr: does not rise from 0 to the number of edges");
        for (const std::int32_t local : row)
            if (local < 0 || static_cast<std::size_t>(local) >= sources) throw py::value_error(name + ".row: no local node: " + std::to_string(local));
        for (const std::int64_t at : pos)
            if (at < -1 || at >= num_edges) throw py::value_error(name + ".pos: no edge: " + std::to_string(at));
    }
    EdgeView view() const { return {colptr.data(), row.data(), pos.data(), colptr.size() - 1}; }
};

py::tuple with_opposite_of(const PyTypedCsc& held, const std::pair<std::size_t, std::size_t>& types, const py::object& forward, const py::object& own,
                           const py::object& other, const std::pair<py::object, py::object>& rows, std::size_t end) {
    const TypedCsc& graph = held.graph;
    const auto [partner, sampled] = types;
    const CscType& type = graph.types[checked_type(graph, partner, "partner")];
    const CscType& opposite = graph.types[checked_type(graph, sampled, "sampled")];
    if (type.src != opposite.dst || type.dst != opposite.src) throw py::value_error("partner: it does not run opposite to the sampled type");
    // forward: the array of the reverse type, which is the one that it has as many entries as.
    Opposite how = Opposite::kEndpoints;
    const std::int64_t* forward_data = nullptr;
    if (!forward.is_none()) {
        const auto parts = forward.cast<std::pair<py::object, bool>>();
        std::size_t count = 0;
        forward_data = checked_vector<std::int64_t>(parts.first, "forward", count);
        how = parts.second ? Opposite::kReverse : Opposite::kForward;
        if (static_cast<std::int64_t>(count) != (parts.second ? type : opposite).edges()) throw py::value_error("forward: expected an entry for each edge of the reverse type");
    }
    const std::vector<std::int64_t> destinations = copied_rows(rows.first, graph.num_nodes[type.dst], "rows[0]");
    const std::vector<std::int64_t> sources = copied_rows(rows.second, graph.num_nodes[type.src], "rows[1]");
    if (std::max(destinations.size(), sources.size()) >= kMostNodes) throw py::value_error("rows: expected fewer than 2^31");
    const OwnedEdges mine(own, sources.size(), destinations.size(), type.edges(), "own");
    const OwnedEdges theirs(other, destinations.size(), sources.size(), opposite.edges(), "other");
    LocalEdges found;
    {
        // Safe without the GIL: the graph and `forward` are constant and held by the caller, the rest is this call's own.
        const py::gil_scoped_release unlocked;
        found = with_opposite(graph, {partner, how, forward_data}, mine.view(), theirs.view(), {destinations, sources, std::min(end, destinations.size())});
    }
    return to_python(found);
}

}  // namespace

void bind_induced(py::module_& m) {
    using py::arg;
    m.def("induced_edges", &induced_edges_of, arg("graph"), arg("nodes"), arg("ends"), arg("num_threads") = 1,
          "[(colptr, row, pos) per edge type]: edges among nodes [(rows, groups or None) per type], into the first ends[type].");
    m.def("with_opposite", &with_opposite_of, arg("graph"), arg("types"), arg("forward"), arg("own"), arg("other"), arg("rows"), arg("end"),
          "(colptr, row, pos): own edges and those opposite to other. types: (partner, sampled); forward: None, or (array, whether "
          "the partner is the reverse type); rows: of the partner's local (destinations, sources).");
}

}  // namespace gnnctl
