// Chosen rows of an array, memory-mapped or not: copied as they are, or features made float32 on the way. Random rows
// miss every cache, so they are asked for ahead.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "checks.h"
#include "pooled_array.h"
#include "residency.h"
#include "widen.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kAhead = 12, kLine = 64, kMostAsked = 1024, kDiskRows = 8192;

// Rows of `width` bytes. `index` may be written to by another Python thread meanwhile: each entry is read once, checked
// and then used; those that are only asked for ahead may be anything.
struct Rows {
    const char* data;
    std::int64_t count;
    std::size_t width;
    const std::int64_t* index;

    bool within(std::int64_t row) const { return row >= 0 && row < count; }
    void ask_disk(std::size_t first, std::size_t last) const {
        gnnctl::ask_disk(last - first, width, [&](std::size_t i) {
            const std::int64_t row = index[first + i];
            return within(row) ? reinterpret_cast<std::uintptr_t>(at(row)) : std::uintptr_t{0};
        });
    }
    const char* at(std::int64_t row) const { return data + static_cast<std::size_t>(row) * width; }
    void ask(std::size_t i, std::size_t bytes) const {
        const std::uintptr_t start = reinterpret_cast<std::uintptr_t>(data) + static_cast<std::uintptr_t>(index[i]) * width;
        for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(reinterpret_cast<const char*>(start + at));
    }
};

template <class Word>
bool copy_words(const Rows& rows, std::size_t first, std::size_t last, char* out) {
    const auto* from = reinterpret_cast<const Word*>(rows.data);
    auto* to = reinterpret_cast<Word*>(out);
    bool good = true;
    for (std::size_t i = first; i < last; ++i) {
        if (i + 4 * kAhead < last) rows.ask(i + 4 * kAhead, 1);
        const std::int64_t row = rows.index[i];
        const bool within = rows.within(row);
        good &= within;
        to[i] = within ? from[row] : Word{};
    }
    return good;
}

template <class Take>
bool take_rows(const Rows& rows, std::size_t first, std::size_t last, Take&& take) {
    const std::size_t asked = std::min(rows.width, kMostAsked);
    for (std::size_t i = first; i < last; ++i) {
        if (i + kAhead < last) rows.ask(i + kAhead, asked);
        const std::int64_t row = rows.index[i];
        if (!rows.within(row)) return false;
        take(i, rows.at(row));
    }
    return true;
}

bool copy_rows(const Rows& rows, std::size_t first, std::size_t last, char* out) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(rows.data) % 8 == 0 && reinterpret_cast<std::uintptr_t>(out) % 8 == 0;
    if (rows.width == 4 && aligned) return copy_words<std::uint32_t>(rows, first, last, out);
    if (rows.width == 8 && aligned) return copy_words<std::uint64_t>(rows, first, last, out);
    return take_rows(rows, first, last, [&](std::size_t i, const char* row) {
        if (rows.width != 0) std::memcpy(out + i * rows.width, row, rows.width);
    });
}

// Safe without the GIL: the arrays are held by the caller, and every index is checked before it is used.
template <class Part>
void run(const Rows& rows, std::size_t count, std::size_t threads, Part&& part) {
    std::atomic<bool> bad{false};
    {
        const py::gil_scoped_release unlocked;
        in_parallel(count, threads, 1024, [&](std::size_t first, std::size_t last) {
            for (std::size_t from = first; from < last; from += kDiskRows) {
                const std::size_t to = std::min(last, from + kDiskRows);
                rows.ask_disk(from, to);
                if (!part(from, to)) bad = true;
            }
        });
    }
    if (bad) throw py::value_error("index: a row is outside 0.." + std::to_string(rows.count - 1));
}

Rows checked_rows(const py::array& src, const std::int64_t* index) {
    if (src.ndim() < 1 || !(src.flags() & py::array::c_style)) throw py::value_error("src: expected a contiguous array of rows");
    std::size_t width = static_cast<std::size_t>(src.itemsize());
    for (py::ssize_t d = 1; d < src.ndim(); ++d) width *= static_cast<std::size_t>(src.shape(d));
    return {static_cast<const char*>(src.data()), src.shape(0), width, index};
}

void check_out(const py::array& src, const py::array& out, std::size_t count) {
    if (!out.writeable()) throw py::value_error("out: not writeable");
    if (out.ndim() != src.ndim() || !(out.flags() & py::array::c_style) || out.shape(0) != static_cast<py::ssize_t>(count))
        throw py::value_error("out: expected a contiguous array with one row for each index");
    for (py::ssize_t d = 1; d < src.ndim(); ++d)
        if (out.shape(d) != src.shape(d)) throw py::value_error("out: its rows are not as wide as those of src");
}

void gather_rows(const py::array& src, const py::object& index, py::array out, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    std::size_t count = 0;
    const std::int64_t* wanted = checked_vector<std::int64_t>(index, "index", count);
    const Rows rows = checked_rows(src, wanted);
    if (src.dtype().has_fields() || src.dtype().kind() == 'O') throw py::type_error("src: expected numbers");
    if (!src.dtype().equal(out.dtype())) throw py::type_error("out: expected the dtype of src");
    check_out(src, out, count);
    char* to = static_cast<char*>(out.mutable_data());
    run(rows, count, threads, [&](std::size_t first, std::size_t last) { return copy_rows(rows, first, last, to); });
}

// Null for float32, which is copied.
Widen widen_of(const py::array& src, const py::object& scale, Columns& columns) {
    const bool is_int8 = has_dtype<std::int8_t>(src);
    if (is_int8 == scale.is_none()) throw py::value_error(is_int8 ? "scale: int8 needs one" : "scale: only int8 has one");
    if (has_dtype<float>(src)) return nullptr;
    if (has_dtype<std::uint16_t>(src)) return widen_bfloat16();
    if (src.dtype().equal(py::dtype("float16"))) return widen_float16();
    if (!is_int8) throw py::type_error("src: expected float32, float16, uint16 (the bits of bfloat16) or int8");
    if (!py::isinstance<py::array>(scale)) throw py::type_error("scale: expected a NumPy array");
    const auto factors = py::reinterpret_borrow<py::array>(scale);
    if (!has_dtype<float>(factors)) throw py::type_error("scale: expected dtype float32");
    if (factors.ndim() != 2 || factors.shape(0) != 2 || static_cast<std::size_t>(factors.shape(1)) != columns.count ||
        !(factors.flags() & py::array::c_style) || reinterpret_cast<std::uintptr_t>(factors.data()) % alignof(float) != 0)
        throw py::value_error("scale: expected a contiguous (2, columns) array: factors, then offsets");
    columns.scale = static_cast<const float*>(factors.data());
    columns.offset = columns.scale + columns.count;
    return widen_int8();
}

// Never destroyed: arrays may outlive the module.
const std::shared_ptr<BufferPool>& feature_pool() {
    static const auto* pool = new std::shared_ptr<BufferPool>(std::make_shared<BufferPool>(std::size_t{512} << 20));
    return *pool;
}

py::array gather_features(const py::array& src, const py::object& index, const py::object& scale, const py::object& out, long long num_threads) {
    const std::size_t threads = checked_threads(num_threads);
    std::size_t count = 0;
    const std::int64_t* wanted = checked_vector<std::int64_t>(index, "index", count);
    const Rows rows = checked_rows(src, wanted);
    if (src.ndim() != 2) throw py::value_error("src: expected two dimensions, got " + std::to_string(src.ndim()));
    if (reinterpret_cast<std::uintptr_t>(src.data()) % static_cast<std::size_t>(src.itemsize()) != 0) throw py::value_error("src: expected an aligned array");
    Columns columns{static_cast<std::size_t>(src.shape(1)), nullptr, nullptr};
    const Widen widen = widen_of(src, scale, columns);
    py::array result;
    if (out.is_none()) {
        result = pooled_array<float>(feature_pool(), {static_cast<py::ssize_t>(count), src.shape(1)});
    } else {
        if (!py::isinstance<py::array>(out)) throw py::type_error("out: expected a NumPy array");
        result = py::reinterpret_borrow<py::array>(out);
        if (!has_dtype<float>(result)) throw py::type_error("out: expected dtype float32");
        check_out(src, result, count);
        if (reinterpret_cast<std::uintptr_t>(result.data()) % alignof(float) != 0) throw py::value_error("out: expected an aligned array");
    }
    auto* to = static_cast<float*>(result.mutable_data());
    run(rows, count, threads, [&](std::size_t first, std::size_t last) {
        if (widen == nullptr) return copy_rows(rows, first, last, reinterpret_cast<char*>(to));
        return take_rows(rows, first, last, [&](std::size_t i, const char* row) { widen(row, to + i * columns.count, columns); });
    });
    return result;
}

}  // namespace

void bind_gather(py::module_& m) {
    m.def("gather_rows", &gather_rows, py::arg("src"), py::arg("index"), py::arg("out"), py::arg("num_threads") = 1,
          "out[i] = src[index[i]] for rows of any width.");
    m.def("gather_features", &gather_features, py::arg("src"), py::arg("index"), py::arg("scale") = py::none(),
          py::arg("out") = py::none(), py::arg("num_threads") = 1,
          "src[index] as float32, on memory that is reused; int8: src[index] * scale[0] + scale[1].");
}

}  // namespace gnnctl
