// Copies chosen rows of an array, memory-mapped or not; random rows miss every cache, so they are asked for ahead.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstring>
#include <string>

#include "checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kAhead = 12, kLine = 64, kMostAsked = 1024;

template <class Word>
void gather_words(const char* src, const std::int64_t* index, std::size_t first, std::size_t last, char* out) {
    const auto* from = reinterpret_cast<const Word*>(src);
    auto* to = reinterpret_cast<Word*>(out);
    for (std::size_t i = first; i < last; ++i) {
        if (i + 4 * kAhead < last) __builtin_prefetch(from + index[i + 4 * kAhead]);
        to[i] = from[index[i]];
    }
}

void gather_bytes(const char* src, const std::int64_t* index, std::size_t first, std::size_t last, char* out, std::size_t width) {
    const std::size_t asked = std::min(width, kMostAsked);
    for (std::size_t i = first; i < last; ++i) {
        if (i + kAhead < last) {
            const char* next = src + static_cast<std::size_t>(index[i + kAhead]) * width;
            for (std::size_t at = 0; at < asked; at += kLine) __builtin_prefetch(next + at);
        }
        std::memcpy(out + i * width, src + static_cast<std::size_t>(index[i]) * width, width);
    }
}

void gather_rows(const py::array& src, const py::object& index, const py::array& out, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    std::size_t count = 0;
    const std::int64_t* rows = checked_vector<std::int64_t>(index, "index", count);
    if (src.ndim() < 1 || !(src.flags() & py::array::c_style)) throw py::value_error("src: expected a contiguous array of rows");
    if (src.dtype().has_fields() || src.dtype().kind() == 'O') throw py::type_error("src: expected numbers");
    if (!src.dtype().equal(out.dtype())) throw py::type_error("out: expected the dtype of src");
    if (!out.writeable()) throw py::value_error("out: not writeable");
    if (out.ndim() != src.ndim() || !(out.flags() & py::array::c_style) || out.shape(0) != static_cast<py::ssize_t>(count))
        throw py::value_error("out: expected a contiguous array with one row for each index");
    std::size_t width = static_cast<std::size_t>(src.itemsize());
    for (py::ssize_t d = 1; d < src.ndim(); ++d) {
        if (out.shape(d) != src.shape(d)) throw py::value_error("out: its rows are not as wide as those of src");
        width *= static_cast<std::size_t>(src.shape(d));
    }
    const std::int64_t num_rows = src.shape(0);
    const char* from = static_cast<const char*>(src.data());
    char* to = static_cast<char*>(const_cast<py::array&>(out).mutable_data());
    std::atomic<bool> bad{false};
    {
        // Safe without the GIL: the three arrays are held by the caller, and every index is checked before it is used.
        const py::gil_scoped_release unlocked;
        in_parallel(count, threads, 1024, [&](std::size_t first, std::size_t last) {
            bool found = false;
            for (std::size_t i = first; i < last; ++i) found |= rows[i] < 0 || rows[i] >= num_rows;
            if (found) {
                bad = true;
                return;
            }
            const bool aligned = reinterpret_cast<std::uintptr_t>(from) % 8 == 0 && reinterpret_cast<std::uintptr_t>(to) % 8 == 0;
            if (width == 4 && aligned)
                gather_words<std::uint32_t>(from, rows, first, last, to);
            else if (width == 8 && aligned)
                gather_words<std::uint64_t>(from, rows, first, last, to);
            else if (width > 0)
                gather_bytes(from, rows, first, last, to, width);
        });
    }
    if (bad) throw py::value_error("index: a row is outside 0.." + std::to_string(num_rows - 1));
}

}  // namespace

void bind_gather(py::module_& m) {
    m.def("gather_rows", &gather_rows, py::arg("src"), py::arg("index"), py::arg("out"), py::arg("num_threads") = 1,
          "out[i] = src[index[i]] for rows of any width.");
}

}  // namespace gnnctl
