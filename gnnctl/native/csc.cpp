// An edge list in any order becomes a CSC: edges sorted by destination.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>

#include "checks.h"
#include "sort_edges.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

py::tuple csc_from_coo(const py::object& row, const py::object& col, std::int64_t num_src, std::int64_t num_dst, bool by_source, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    std::size_t edges = 0, num_col = 0;
    const std::int64_t* sources = checked_vector<std::int64_t>(row, "row", edges);
    const std::int64_t* destinations = checked_vector<std::int64_t>(col, "col", num_col);
    if (edges != num_col) throw py::value_error("col: expected as many entries as row");
    if (num_src < 0) throw py::value_error("num_src: negative");
    if (num_dst < 0 || num_dst >= (std::int64_t{1} << 48)) throw py::value_error("num_dst: out of range");
    std::atomic<bool> bad_row{false}, bad_col{false};
    {
        const py::gil_scoped_release unlocked;
        in_parallel(edges, threads, 1 << 18, [&](std::size_t first, std::size_t last) {
            bool r = false, c = false;
            for (std::size_t i = first; i < last; ++i) {
                r |= sources[i] < 0 || sources[i] >= num_src;
                c |= destinations[i] < 0 || destinations[i] >= num_dst;
            }
            if (r) bad_row = true;
            if (c) bad_col = true;
        });
    }
    if (bad_row) throw py::value_error("row: a source is outside 0.." + std::to_string(num_src - 1));
    if (bad_col) throw py::value_error("col: a destination is outside 0.." + std::to_string(num_dst - 1));
    const bool narrow_rows = num_src <= 0x7FFFFFFF;
    const bool narrow = narrow_rows && num_dst <= 0x7FFFFFFF && edges <= 0x7FFFFFFF;
    py::array_t<std::int64_t> colptr(static_cast<py::ssize_t>(num_dst + 1)), perm(static_cast<py::ssize_t>(edges));
    py::array out = narrow_rows ? py::array(py::array_t<std::int32_t>(static_cast<py::ssize_t>(edges)))
                                : py::array(py::array_t<std::int64_t>(static_cast<py::ssize_t>(edges)));
    std::int64_t* colptr_data = colptr.mutable_data();
    std::int64_t* perm_data = perm.mutable_data();
    void* out_data = out.mutable_data();
    {
        // Safe without the GIL: inputs are held by the caller, outputs are not yet visible to Python.
        const py::gil_scoped_release unlocked;
        const auto each = [&](std::size_t first, std::size_t last, const auto& visit) {
            for (std::size_t i = first; i < last; ++i) visit(i, destinations[i], sources[i]);
        };
        const auto nd = static_cast<std::size_t>(num_dst), ns = static_cast<std::size_t>(num_src);
        const auto sorted = [&](auto id, auto* rows) {
            using Row = std::remove_reference_t<decltype(*rows)>;
            sort_edges<decltype(id)>(edges, nd, ns, each, by_source, threads, SortedEdges<Row, std::int64_t>{colptr_data, rows, perm_data});
        };
        if (narrow) sorted(std::uint32_t{}, static_cast<std::int32_t*>(out_data));
        else if (narrow_rows) sorted(std::uint64_t{}, static_cast<std::int32_t*>(out_data));
        else sorted(std::uint64_t{}, static_cast<std::int64_t*>(out_data));
    }
    return py::make_tuple(colptr, out, perm);
}

template <class Index>
void fill_colptr(const Index* col, std::size_t edges, std::int64_t* colptr, std::int64_t num_dst) {
    bool bad = edges != 0 && (col[0] < 0 || static_cast<std::int64_t>(col[edges - 1]) >= num_dst);
    {
        const py::gil_scoped_release unlocked;
        for (std::size_t i = 1; i < edges; ++i) bad |= col[i] < col[i - 1];
        if (!bad) {
            std::fill(colptr, colptr + num_dst + 1, 0);
            // The last edge of a destination has the last word: no branch, and a store a cycle.
            for (std::size_t i = 0; i < edges; ++i) colptr[col[i] + 1] = static_cast<std::int64_t>(i) + 1;
            for (std::int64_t v = 0; v < num_dst; ++v) colptr[v + 1] = std::max(colptr[v], colptr[v + 1]);
        }
    }
    if (bad) throw py::value_error("col: expected ascending destinations in 0.." + std::to_string(num_dst - 1));
}

py::array_t<std::int64_t> colptr_of(const py::object& col, std::int64_t num_dst) {
    if (num_dst < 0 || num_dst >= (std::int64_t{1} << 48)) throw py::value_error("num_dst: out of range");
    const bool narrow = py::isinstance<py::array>(col) && has_dtype<std::int32_t>(py::reinterpret_borrow<py::array>(col));
    std::size_t edges = 0;
    const void* data = narrow ? static_cast<const void*>(checked_vector<std::int32_t>(col, "col", edges))
                              : checked_vector<std::int64_t>(col, "col", edges);
    py::array_t<std::int64_t> colptr(static_cast<py::ssize_t>(num_dst + 1));
    if (narrow) fill_colptr(static_cast<const std::int32_t*>(data), edges, colptr.mutable_data(), num_dst);
    else fill_colptr(static_cast<const std::int64_t*>(data), edges, colptr.mutable_data(), num_dst);
    return colptr;
}

}  // namespace

void bind_csc(py::module_& m) {
    m.def("csc_from_coo", &csc_from_coo, py::arg("row"), py::arg("col"), py::arg("num_src"), py::arg("num_dst"),
          py::arg("by_source") = true, py::arg("num_threads") = 1,
          "(colptr, row, perm): edges sorted by destination; perm[i] is the position that edge i of the result had.");
    m.def("colptr_of", &colptr_of, py::arg("col"), py::arg("num_dst"), "(num_dst + 1,) int64: where each destination's edges begin; col ascends.");
}

}  // namespace gnnctl
