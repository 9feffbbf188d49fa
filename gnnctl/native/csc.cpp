// Sorts an edge list by destination. Edges are first dealt into buckets of neighbouring destinations, in streams
// that stay in the caches, and each bucket is then sorted on its own.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kBuckets = 512;

template <class Id>
struct Edge {
    Id dst, src, number;
};

// Stable: edges of one destination keep their order, or are in the order of their sources where asked for.
template <class Id, class Row>
void sort_edges(const std::int64_t* row, const std::int64_t* col, std::size_t edges, std::size_t num_dst, bool by_source,
                std::size_t threads, std::int64_t* colptr, Row* out_row, std::int64_t* perm) {
    threads = std::max<std::size_t>(1, std::min(threads, edges / 65536));
    unsigned shift = 0;
    while ((num_dst >> shift) >= kBuckets) ++shift;
    const std::size_t buckets = (num_dst >> shift) + 1;
    const auto part = [&](std::size_t t) { return edges / threads * t + std::min(t, edges % threads); };

    std::vector<std::size_t> cursor(threads * buckets, 0), bucket_start(buckets + 1, 0);
    in_parallel(threads, threads, 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t t = first; t < last; ++t) {
            std::size_t* mine = cursor.data() + t * buckets;
            for (std::size_t i = part(t); i < part(t + 1); ++i) ++mine[static_cast<std::size_t>(col[i]) >> shift];
        }
    });
    std::size_t at = 0;
    for (std::size_t b = 0; b < buckets; ++b) {
        bucket_start[b] = at;
        for (std::size_t t = 0; t < threads; ++t) at += std::exchange(cursor[t * buckets + b], at);
    }
    bucket_start[buckets] = at;

    const std::unique_ptr<Edge<Id>[]> dealt(new Edge<Id>[edges]);
    in_parallel(threads, threads, 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t t = first; t < last; ++t) {
            std::size_t* mine = cursor.data() + t * buckets;
            for (std::size_t i = part(t); i < part(t + 1); ++i)
                dealt[mine[static_cast<std::size_t>(col[i]) >> shift]++] = {static_cast<Id>(col[i]), static_cast<Id>(row[i]), static_cast<Id>(i)};
        }
    });

    colptr[num_dst] = static_cast<std::int64_t>(edges);
    std::atomic<std::size_t> turn{0};
    in_parallel(threads, threads, 1, [&](std::size_t, std::size_t) {
        std::vector<std::size_t> end;
        std::vector<std::pair<Row, std::int64_t>> sorted;
        std::vector<std::uint64_t> packed;
        for (std::size_t b = turn++; b < buckets; b = turn++) {
            const std::size_t first_dst = b << shift, last_dst = std::min(num_dst, (b + 1) << shift);
            if (first_dst >= last_dst) continue;
            end.assign(last_dst - first_dst + 1, 0);
            for (std::size_t i = bucket_start[b]; i < bucket_start[b + 1]; ++i) ++end[static_cast<std::size_t>(dealt[i].dst) - first_dst + 1];
            end[0] = bucket_start[b];
            for (std::size_t d = 1; d < end.size(); ++d) end[d] += end[d - 1];
            for (std::size_t d = first_dst; d < last_dst; ++d) colptr[d] = static_cast<std::int64_t>(end[d - first_dst]);
            for (std::size_t i = bucket_start[b]; i < bucket_start[b + 1]; ++i) {
                const std::size_t to = end[static_cast<std::size_t>(dealt[i].dst) - first_dst]++;
                out_row[to] = static_cast<Row>(dealt[i].src);
                perm[to] = static_cast<std::int64_t>(dealt[i].number);
            }
            if (!by_source) continue;
            for (std::size_t d = first_dst; d < last_dst; ++d) {
                const auto from = static_cast<std::size_t>(colptr[d]), to = end[d - first_dst];
                if (to - from < 2 || std::is_sorted(out_row + from, out_row + to)) continue;
                // Edge numbers are distinct, so sorting (source, number) is stable; both fit one word where Id is narrow.
                if constexpr (sizeof(Id) == 4) {
                    packed.clear();
                    for (std::size_t i = from; i < to; ++i)
                        packed.push_back(static_cast<std::uint64_t>(out_row[i]) << 32 | static_cast<std::uint64_t>(perm[i]));
                    std::sort(packed.begin(), packed.end());
                    for (std::size_t i = from; i < to; ++i) {
                        out_row[i] = static_cast<Row>(packed[i - from] >> 32);
                        perm[i] = static_cast<std::int64_t>(packed[i - from] & 0xFFFFFFFFULL);
                    }
                } else {
                    sorted.clear();
                    for (std::size_t i = from; i < to; ++i) sorted.emplace_back(out_row[i], perm[i]);
                    std::sort(sorted.begin(), sorted.end());
                    for (std::size_t i = from; i < to; ++i) {
                        out_row[i] = sorted[i - from].first;
                        perm[i] = sorted[i - from].second;
                    }
                }
            }
        }
    });
}

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
    const auto nd = static_cast<std::size_t>(num_dst);
    {
        // Safe without the GIL: inputs are held by the caller, outputs are not yet visible to Python.
        const py::gil_scoped_release unlocked;
        if (narrow)
            sort_edges<std::uint32_t>(sources, destinations, edges, nd, by_source, threads, colptr_data, static_cast<std::int32_t*>(out_data), perm_data);
        else if (narrow_rows)
            sort_edges<std::uint64_t>(sources, destinations, edges, nd, by_source, threads, colptr_data, static_cast<std::int32_t*>(out_data), perm_data);
        else
            sort_edges<std::uint64_t>(sources, destinations, edges, nd, by_source, threads, colptr_data, static_cast<std::int64_t*>(out_data), perm_data);
    }
    return py::make_tuple(colptr, out, perm);
}

}  // namespace

void bind_csc(py::module_& m) {
    m.def("csc_from_coo", &csc_from_coo, py::arg("row"), py::arg("col"), py::arg("num_src"), py::arg("num_dst"),
          py::arg("by_source") = true, py::arg("num_threads") = 1,
          "(colptr, row, perm): edges sorted by destination; perm[i] is the position that edge i of the result had.");
}

}  // namespace gnnctl
