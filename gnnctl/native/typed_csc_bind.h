// Python's handle of a typed graph in native code: it keeps the arrays alive that the graph points into.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "checks.h"
#include "typed_csc.h"

namespace gnnctl {

struct PyTypedCsc {
    TypedCsc graph;
    std::vector<pybind11::object> held;
};

// Copies rows of one node type, so that another Python thread that writes to the array cannot slip a bad row past.
inline std::vector<std::int64_t> copied_rows(const pybind11::object& object, std::int64_t num_nodes, const std::string& name) {
    std::size_t count = 0;
    const std::int64_t* rows = checked_vector<std::int64_t>(object, name, count);
    std::vector<std::int64_t> own(rows, rows + count);
    for (const std::int64_t row : own)
        if (row < 0 || row >= num_nodes)
            throw pybind11::value_error(name + ": row " + std::to_string(row) + " is outside 0.." + std::to_string(num_nodes - 1));
    return own;
}

// Hands a vector's memory to NumPy.
template <class T>
pybind11::array_t<T> owned_array(std::vector<T>&& values) {
    const auto size = static_cast<pybind11::ssize_t>(values.size());
    if (size == 0) return pybind11::array_t<T>(0);
    auto* kept = new std::vector<T>(std::move(values));
    const pybind11::capsule owner(kept, [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
    return pybind11::array_t<T>({size}, {static_cast<pybind11::ssize_t>(sizeof(T))}, kept->data(), owner);
}

// The edge type a call names, which must lead from a node type to the same one where `closed`.
inline std::size_t checked_type(const TypedCsc& graph, std::size_t type, const std::string& name, bool closed = false) {
    if (type >= graph.types.size()) throw pybind11::value_error(name + ": there is no edge type " + std::to_string(type));
    if (closed && graph.types[type].src != graph.types[type].dst)
        throw pybind11::value_error(name + ": it connects nodes of two types");
    return type;
}

inline void checked_weights(const TypedCsc& graph, std::size_t type, bool weighted) {
    if (weighted && graph.types[type].weight == nullptr) throw pybind11::value_error("weighted: edge type " + std::to_string(type) + " has no weights, or negative ones");
}

}  // namespace gnnctl
