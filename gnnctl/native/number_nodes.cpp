// Numbers the distinct nodes of several records, in order of first sight, and finds where each is nearest its seed.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "checks.h"
#include "node_table.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kAhead = 16;

py::tuple number_nodes(const py::object& rows, const py::object& hops) {
    std::size_t count = 0, num_hops = 0;
    const std::int64_t* row = checked_vector<std::int64_t>(rows, "rows", count);
    const std::int64_t* hop = checked_vector<std::int64_t>(hops, "hops", num_hops);
    if (count != num_hops) throw py::value_error("hops: expected as many entries as rows");
    if (count >= 0x7FFFFFFF) throw py::value_error("rows: expected fewer than 2^31");
    for (std::size_t i = 0; i < count; ++i)
        if (row[i] < 0) throw py::value_error("rows: negative: " + std::to_string(row[i]));
    py::array_t<std::int32_t> number(static_cast<py::ssize_t>(count));
    std::int32_t* out = number.mutable_data();
    std::vector<std::int64_t> distinct, best;
    {
        // Safe without the GIL: inputs are held by the caller, outputs are not yet visible to Python.
        const py::gil_scoped_release unlocked;
        NodeTable<std::uint64_t> table(std::make_shared<BufferPool>(), ~std::uint64_t{0});
        const auto key_of = [&](std::size_t i) { return static_cast<std::uint64_t>(distinct[i]); };
        std::uint32_t next = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!table.fits(distinct.size() + 1)) table.grow(2 * distinct.size() + 2, distinct.size(), key_of);
            if (i + kAhead < count) table.prefetch(static_cast<std::uint64_t>(row[i + kAhead]));
            const std::uint32_t local = table.insert_hashed(static_cast<std::uint64_t>(row[i]), next);
            if (local == distinct.size()) {
                distinct.push_back(row[i]);
                best.push_back(static_cast<std::int64_t>(i));
            } else if (hop[i] < hop[best[local]]) {
                best[local] = static_cast<std::int64_t>(i);
            }
            out[i] = static_cast<std::int32_t>(local);
        }
    }
    const auto size = static_cast<py::ssize_t>(distinct.size());
    return py::make_tuple(py::array_t<std::int64_t>(size, distinct.data()), number, py::array_t<std::int64_t>(size, best.data()));
}

}  // namespace

void bind_number_nodes(py::module_& m) {
    m.def("number_nodes", &number_nodes, py::arg("rows"), py::arg("hops"),
          "(distinct rows by first sight, number of each entry, for each distinct row its first entry of least hop).");
}

}  // namespace gnnctl
