// Stable counting sorts of edges: by source (the transposed view of a CSC) and by destination (a COO into a CSC).
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "address.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// Keys are counted and placed in contiguous slices of the edges, one per part: slice i writes, of each key, the range
// right after slice i - 1's. The result is the stable order, whatever the number of parts.
template <typename Key, typename Place>
void counting_sort(const Key* keys, std::int64_t num_edges, std::int64_t num_keys, std::int64_t* ptr, int threads,
                   const Place& place) {
    // Every part counts all keys, so parts pay only where edges outnumber keys by far.
    std::int64_t parts = num_edges < (1 << 16) ? 1 : threads;
    while (parts > 1 && num_keys * parts > 2 * num_edges) --parts;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(parts * num_keys), 0);
    const auto slice = [&](std::int64_t part) { return num_edges * part / parts; };
    run_parts(threads, parts, [&](std::int64_t part) {
        std::int64_t* mine = counts.data() + part * num_keys;
        for (std::int64_t e = slice(part); e < slice(part + 1); ++e) ++mine[keys[e]];
    });
    std::int64_t total = 0;
    for (std::int64_t key = 0; key < num_keys; ++key) {
        ptr[key] = total;
        for (std::int64_t part = 0; part < parts; ++part) {
            std::int64_t& count = counts[static_cast<std::size_t>(part * num_keys + key)];
            const std::int64_t here = count;
            count = total;
            total += here;
        }
    }
    ptr[num_keys] = total;
    run_parts(threads, parts, [&](std::int64_t part) {
        std::int64_t* next = counts.data() + part * num_keys;
        for (std::int64_t e = slice(part); e < slice(part + 1); ++e) place(e, next[keys[e]]++);
    });
}

template <typename Row, typename Index>
void transpose_as(const std::int64_t* colptr, const Row* row, std::int64_t num_src, std::int64_t num_dst,
                  std::int64_t* rowptr, Index* col, Index* perm, int threads) {
    const std::int64_t num_edges = colptr[num_dst];
    std::vector<Index> destination(static_cast<std::size_t>(num_edges));
    for (std::int64_t d = 0; d < num_dst; ++d)
        std::fill(destination.begin() + colptr[d], destination.begin() + colptr[d + 1], static_cast<Index>(d));
    counting_sort(row, num_edges, num_src, rowptr, threads, [&](std::int64_t e, std::int64_t at) {
        col[at] = destination[static_cast<std::size_t>(e)];
        perm[at] = static_cast<Index>(e);
    });
}

void transpose(Address colptr, Address row, bool wide, std::int64_t num_src, std::int64_t num_dst, Address rowptr,
               Address col, Address perm, bool wide_out, int threads) {
    if (num_src < 0 || num_dst < 0) throw py::value_error("num_src or num_dst out of range");
    const py::gil_scoped_release unlocked;  // safe: only buffers that the caller keeps alive are touched
    const auto* from = pointer<const std::int64_t>(colptr);
    auto* to = pointer<std::int64_t>(rowptr);
    const auto run = [&](const auto* sources) {
        if (wide_out)
            transpose_as(from, sources, num_src, num_dst, to, pointer<std::int64_t>(col), pointer<std::int64_t>(perm),
                         threads);
        else
            transpose_as(from, sources, num_src, num_dst, to, pointer<std::int32_t>(col), pointer<std::int32_t>(perm),
                         threads);
    };
    if (wide) run(pointer<const std::int64_t>(row));
    else run(pointer<const std::int32_t>(row));
}

// Returns false, having sorted nothing, where an endpoint is out of range.
bool sort_coo(Address src, Address dst, std::int64_t num_edges, std::int64_t num_src, std::int64_t num_dst,
              Address colptr, Address row, bool wide, Address perm, int threads) {
    const py::gil_scoped_release unlocked;  // safe: only buffers that the caller keeps alive are touched
    const auto* sources = pointer<const std::int64_t>(src);
    const auto* targets = pointer<const std::int64_t>(dst);
    bool valid = true;
    for (std::int64_t e = 0; e < num_edges; ++e)
        valid &= static_cast<std::uint64_t>(sources[e]) < static_cast<std::uint64_t>(num_src) &&
                 static_cast<std::uint64_t>(targets[e]) < static_cast<std::uint64_t>(num_dst);
    if (!valid) return false;
    auto* position = pointer<std::int64_t>(perm);
    const auto run = [&](auto* rows) {
        using Index = std::remove_reference_t<decltype(*rows)>;
        counting_sort(targets, num_edges, num_dst, pointer<std::int64_t>(colptr), threads,
                      [&](std::int64_t e, std::int64_t at) {
                          rows[at] = static_cast<Index>(sources[e]);
                          position[at] = e;
                      });
    };
    if (wide) run(pointer<std::int64_t>(row));
    else run(pointer<std::int32_t>(row));
    return true;
}

// What is wrong with a CSC: 0 nothing, 1 colptr does not rise from 0 to the number of edges, 2 a source out of range.
int check_csc(Address colptr, std::int64_t num_dst, Address row, bool wide, std::int64_t num_edges,
              std::int64_t num_src) {
    const py::gil_scoped_release unlocked;  // safe: only buffers that the caller keeps alive are touched
    const auto* at = pointer<const std::int64_t>(colptr);
    if (at[0] != 0 || at[num_dst] != num_edges) return 1;
    bool valid = true;
    for (std::int64_t d = 0; d < num_dst; ++d) valid &= at[d] <= at[d + 1];
    if (!valid) return 1;
    const auto in_range = [&](const auto* rows) {
        bool good = true;
        for (std::int64_t e = 0; e < num_edges; ++e) good &= rows[e] >= 0 && rows[e] < num_src;
        return good;
    };
    return (wide ? in_range(pointer<const std::int64_t>(row)) : in_range(pointer<const std::int32_t>(row))) ? 0 : 2;
}

}  // namespace

void bind_transpose(py::module_& m) {
    using py::arg;
    m.def("transpose", &transpose, arg("colptr"), arg("row"), arg("wide"), arg("num_src"), arg("num_dst"),
          arg("rowptr"), arg("col"), arg("perm"), arg("wide_out"), arg("threads"),
          "Edges by source, in edge order: rowptr, col (destination) and perm (position in the CSC).");
    m.def("sort_coo", &sort_coo, arg("src"), arg("dst"), arg("num_edges"), arg("num_src"), arg("num_dst"),
          arg("colptr"), arg("row"), arg("wide"), arg("perm"), arg("threads"),
          "Edges by destination, stable: colptr, row and perm (position in the COO); False: an endpoint out of range.");
    m.def("check_csc", &check_csc, arg("colptr"), arg("num_dst"), arg("row"), arg("wide"), arg("num_edges"),
          arg("num_src"), "0: sound, 1: colptr is wrong, 2: a source is out of range.");
}

}  // namespace gnnctl
