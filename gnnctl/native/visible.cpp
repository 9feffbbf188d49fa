// How many edges of a node may be seen at a time: see visible.h.
#include "visible.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

py::array_t<std::int64_t> count_visible(const py::object& colptr, const py::object& times, const py::object& nodes, const py::object& limits,
                                        bool inclusive) {
    std::size_t ends = 0, edges = 0, count = 0, given = 0;
    const std::int64_t* lists = checked_vector<std::int64_t>(colptr, "colptr", ends);
    const std::int64_t* time = checked_vector<std::int64_t>(times, "times", edges);
    const std::int64_t* node = checked_vector<std::int64_t>(nodes, "nodes", count);
    const std::int64_t* limit = checked_vector<std::int64_t>(limits, "limits", given);
    if (ends == 0) throw py::value_error("colptr: empty");
    if (given != count) throw py::value_error("limits: expected " + std::to_string(count) + " entries, got " + std::to_string(given));
    // Copies: what a caller's other threads write to the arrays cannot slip past the checks.
    std::vector<std::int64_t> start(count), at(limit, limit + count);
    py::array_t<std::int64_t> degree(static_cast<py::ssize_t>(count));
    std::int64_t* found = degree.mutable_data();
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t row = node[i];
        if (row < 0 || row >= static_cast<std::int64_t>(ends) - 1) throw py::value_error("nodes: no node: " + std::to_string(row));
        const std::int64_t first = lists[row], last = lists[row + 1];
        if (first < 0 || last < first || last > static_cast<std::int64_t>(edges))
            throw py::value_error("colptr: does not rise from 0 to the number of times");
        start[i] = first;
        found[i] = last - first;
    }
    const EdgeTimes by_position{time, nullptr};
    const py::gil_scoped_release unlocked;
    keep_visible(by_position, static_cast<const std::int32_t*>(nullptr), start.data(), at.data(), inclusive, count, found);
    return degree;
}

}  // namespace

void bind_visible(py::module_& m) {
    using py::arg;
    m.def("count_visible", &count_visible, arg("colptr"), arg("times"), arg("nodes"), arg("limits"), arg("inclusive"),
          "(n,) int64: of each node's edges, whose times rise, how many lie before its limit, or at it too where inclusive.");
}

}  // namespace gnnctl
