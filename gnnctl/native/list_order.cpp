#include "list_order.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <bit>
#include <string>

#include "checks.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// Total order of floats by their bits: negative before positive zero, NaN at the ends.
std::int32_t ordered_bits(float value) {
    const auto bits = std::bit_cast<std::int32_t>(value);
    return bits >= 0 ? bits : bits ^ 0x7FFFFFFF;
}

bool tie_before(const std::vector<TieColumn>& ties, std::int64_t a, std::int64_t b) {
    for (const TieColumn& tie : ties) {
        if (tie.integers) {
            if (tie.integers[a] != tie.integers[b]) return tie.integers[a] < tie.integers[b];
            continue;
        }
        for (std::int64_t f = 0; f < tie.width; ++f) {
            const std::int32_t left = ordered_bits(tie.floats[a * tie.width + f]), right = ordered_bits(tie.floats[b * tie.width + f]);
            if (left != right) return left < right;
        }
    }
    return a < b;
}

template <class Row>
struct Entry {
    std::int64_t visible, number;
    Row row;
};

}  // namespace

template <class Row>
void order_lists(const std::int64_t* colptr, std::int64_t num_dst, Row* row, std::int64_t* perm, const ListOrder& by, int threads) {
    run_destinations(threads, colptr, num_dst, 8, [&](std::int64_t first, std::int64_t last) {
        std::vector<Entry<Row>> entries;
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t from = colptr[d], to = colptr[d + 1];
            if (by.visible) {
                entries.clear();
                for (std::int64_t e = from; e < to; ++e) entries.push_back({by.visible[perm[e]], perm[e], row[e]});
                std::sort(entries.begin(), entries.end(), [&](const Entry<Row>& a, const Entry<Row>& b) {
                    if (a.visible != b.visible) return a.visible < b.visible;
                    return a.row != b.row ? a.row < b.row : tie_before(by.ties, a.number, b.number);
                });
                for (std::int64_t e = from; e < to; ++e) {
                    const Entry<Row>& entry = entries[static_cast<std::size_t>(e - from)];
                    perm[e] = entry.number;
                    row[e] = entry.row;
                }
                continue;
            }
            for (std::int64_t e = from; e < to;) {
                std::int64_t end = e + 1;
                while (end < to && row[end] == row[e]) ++end;
                if (end - e > 1) std::sort(perm + e, perm + end, [&](std::int64_t a, std::int64_t b) { return tie_before(by.ties, a, b); });
                e = end;
            }
        }
    });
}

namespace {

TieColumn checked_tie(const py::object& object, const std::string& name, std::size_t edges) {
    if (!py::isinstance<py::array>(object)) throw py::type_error(name + ": expected a NumPy array");
    const auto array = py::reinterpret_borrow<py::array>(object);
    TieColumn tie;
    if (has_dtype<std::int64_t>(array)) {
        std::size_t size = 0;
        tie.integers = checked_vector<std::int64_t>(object, name, size);
    } else {
        if (!has_dtype<float>(array)) throw py::type_error(name + ": expected dtype int64 or float32");
        if (array.ndim() != 2 || !(array.flags() & py::array::c_style)) throw py::value_error(name + ": expected a contiguous array of two dimensions");
        if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(float) != 0) throw py::value_error(name + ": expected an aligned array");
        tie.floats = static_cast<const float*>(array.data());
        tie.width = array.shape(1);
    }
    if (static_cast<std::size_t>(array.shape(0)) != edges) throw py::value_error(name + ": expected an entry for each edge");
    return tie;
}

void order_lists_of(const py::object& colptr, const py::object& row, const py::object& perm, const py::object& visible,
                    const py::list& ties, long long num_threads) {
    const auto threads = static_cast<int>(checked_threads(num_threads));
    std::size_t num_colptr = 0, edges = 0, num_perm = 0, num_visible = 0;
    const std::int64_t* starts = checked_vector<std::int64_t>(colptr, "colptr", num_colptr);
    const bool wide = py::isinstance<py::array>(row) && has_dtype<std::int64_t>(py::reinterpret_borrow<py::array>(row));
    auto* narrow_row = wide ? nullptr : const_cast<std::int32_t*>(checked_vector<std::int32_t>(row, "row", edges));
    auto* wide_row = wide ? const_cast<std::int64_t*>(checked_vector<std::int64_t>(row, "row", edges)) : nullptr;
    auto* numbers = const_cast<std::int64_t*>(checked_vector<std::int64_t>(perm, "perm", num_perm));
    for (const auto& [array, name] : {std::pair{row, "row"}, std::pair{perm, "perm"}})
        if (!py::reinterpret_borrow<py::array>(array).writeable()) throw py::value_error(std::string(name) + ": read-only");
    if (num_perm != edges) throw py::value_error("perm: expected as many entries as row");
    if (num_colptr == 0 || starts[0] != 0 || starts[num_colptr - 1] != static_cast<std::int64_t>(edges) ||
        !std::is_sorted(starts, starts + num_colptr))
        throw py::value_error("colptr: does not rise from 0 to the number of edges");
    for (std::size_t e = 0; e < edges; ++e)
        if (numbers[e] < 0 || numbers[e] >= static_cast<std::int64_t>(edges)) throw py::value_error("perm: out of range");
    ListOrder by;
    if (!visible.is_none()) {
        by.visible = checked_vector<std::int64_t>(visible, "visible", num_visible);
        if (num_visible != edges) throw py::value_error("visible: expected an entry for each edge");
    }
    for (std::size_t i = 0; i < ties.size(); ++i) by.ties.push_back(checked_tie(ties[i], "ties[" + std::to_string(i) + "]", edges));
    const auto num_dst = static_cast<std::int64_t>(num_colptr) - 1;
    // Safe without the GIL: the caller holds every array and shares those it has just made with nobody.
    const py::gil_scoped_release unlocked;
    if (wide)
        order_lists(starts, num_dst, wide_row, numbers, by, threads);
    else
        order_lists(starts, num_dst, narrow_row, numbers, by, threads);
}

}  // namespace

void bind_list_order(py::module_& m) {
    m.def("order_lists", &order_lists_of, py::arg("colptr"), py::arg("row"), py::arg("perm"), py::arg("visible"),
          py::arg("ties"), py::arg("num_threads") = 1,
          "Reorders row and perm within each list, which are by source: by (visible[perm], row, each of ties[perm]).");
}

}  // namespace gnnctl
