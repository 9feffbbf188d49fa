// The transposed view of a CSC, edges by source, and the check of a CSC's contents.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "arrays.h"
#include "checks.h"
#include "sort_edges.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// Edges of a CSC in their order, with source as the key; destinations are found by walking along.
template <class Row>
auto by_source(const Edges& edges, const Row* row) {
    return [&edges, row](std::size_t first, std::size_t last, const auto& visit) {
        const std::int64_t* colptr = edges.colptr;
        std::int64_t d = std::upper_bound(colptr, colptr + edges.num_dst + 1, static_cast<std::int64_t>(first)) - colptr - 1;
        for (std::size_t e = first; e < last; ++d) {
            const std::size_t end = std::min(last, static_cast<std::size_t>(colptr[d + 1]));
            for (; e < end; ++e) visit(e, row[e], d);
        }
    };
}

template <class Index>
void transpose_as(const Edges& edges, const SortedEdges<Index, Index>& out, std::size_t threads) {
    const auto count = static_cast<std::size_t>(edges.num_edges);
    const auto sorted = [&](auto id, const auto* row) {
        sort_edges<decltype(id)>(count, static_cast<std::size_t>(edges.num_src), static_cast<std::size_t>(edges.num_dst),
                                 by_source(edges, row), false, threads, out);
    };
    const bool narrow = std::max({edges.num_edges, edges.num_src, edges.num_dst}) <= 0x7FFFFFFF;
    const auto with = [&](const auto* row) { narrow ? sorted(std::uint32_t{}, row) : sorted(std::uint64_t{}, row); };
    if (edges.wide) with(static_cast<const std::int64_t*>(edges.row));
    else with(static_cast<const std::int32_t*>(edges.row));
}

void transpose(const Edges& edges, const Array& rowptr, const Array& col, const Array& perm, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    if (edges.row == nullptr) throw py::value_error("edges: expected sources");
    auto* ptr = rowptr.expect<std::int64_t>("rowptr", DType::int64, edges.num_src + 1, 1);
    const bool narrow = col.dtype() == DType::int32;
    if (narrow && std::max(edges.num_edges, edges.num_dst) > 0x7FFFFFFF) throw py::type_error("col: int32 is too narrow");
    void* to = col.expect("col", narrow ? DType::int32 : DType::int64, edges.num_edges, 1);
    void* number = perm.expect("perm", col.dtype(), edges.num_edges, 1);
    const py::gil_scoped_release unlocked;  // safe: only buffers that the caller keeps alive are touched
    if (narrow) transpose_as<std::int32_t>(edges, {ptr, static_cast<std::int32_t*>(to), static_cast<std::int32_t*>(number)}, threads);
    else transpose_as<std::int64_t>(edges, {ptr, static_cast<std::int64_t*>(to), static_cast<std::int64_t*>(number)}, threads);
}

void check_csc(const Array& colptr, const Array& row, std::int64_t num_src) {
    if (colptr.rows() < 1) throw py::value_error("colptr: expected (D + 1,)");
    const std::int64_t num_dst = colptr.rows() - 1, num_edges = row.rows();
    const auto* at = colptr.expect<const std::int64_t>("colptr", DType::int64, num_dst + 1, 1);
    const bool wide = row.dtype() == DType::int64;
    const void* rows = row.expect("row", wide ? DType::int64 : DType::int32, num_edges, 1);
    bool rises = at[0] == 0 && at[num_dst] == num_edges, known = true;
    {
        const py::gil_scoped_release unlocked;  // safe: only buffers that the caller keeps alive are touched
        for (std::int64_t d = 0; d < num_dst; ++d) rises &= at[d] <= at[d + 1];
        const auto in_range = [&](const auto* sources) {
            for (std::int64_t e = 0; e < num_edges; ++e) known &= sources[e] >= 0 && sources[e] < num_src;
        };
        if (wide) in_range(static_cast<const std::int64_t*>(rows));
        else in_range(static_cast<const std::int32_t*>(rows));
    }
    if (!rises) throw py::value_error("colptr must rise from 0 to the " + std::to_string(num_edges) + " edges");
    if (!known) throw py::value_error("row has a source outside 0.." + std::to_string(num_src - 1));
}

}  // namespace

void bind_transpose(py::module_& m) {
    using py::arg;
    m.def("transpose", &transpose, arg("edges"), arg("rowptr"), arg("col"), arg("perm"), arg("threads"),
          "Edges by source, in edge order: rowptr (S + 1,), col (E,) destinations and perm (E,) positions in the CSC.");
    m.def("check_csc", &check_csc, arg("colptr"), arg("row"), arg("num_src"),
          "Raises ValueError where colptr does not rise from 0 to the number of edges, or a source is out of range.");
}

}  // namespace gnnctl
