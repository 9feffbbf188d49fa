// Checks of arrays and edges, once, for every kernel.
#include "arrays.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>

#include "pooled_array.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr const char* kNames[] = {"float32", "float64", "bfloat16", "float16", "int32", "int64"};
constexpr int kDTypes = 6;

std::string name_of(DType dtype) { return kNames[static_cast<int>(dtype)]; }

// Results of kernels, which large new ones would spend more time on getting pages for than on computing. Never
// destroyed: arrays may outlive the module.
py::array_t<std::uint8_t> result_memory(std::size_t bytes) {
    static const auto* pool = new std::shared_ptr<BufferPool>(std::make_shared<BufferPool>(std::size_t{512} << 20));
    if (bytes > (std::size_t{1} << 48)) throw py::value_error("bytes: too many: " + std::to_string(bytes));
    return pooled_array<std::uint8_t>(*pool, {static_cast<py::ssize_t>(bytes)});
}

}  // namespace

Array::Array(py::object owner, Address address, int dtype, std::vector<std::int64_t> shape)
    : owner_(std::move(owner)), data_(pointer(address)), shape_(std::move(shape)) {
    if (dtype < 0 || dtype >= kDTypes) throw py::type_error("dtype: unknown code " + std::to_string(dtype));
    dtype_ = static_cast<DType>(dtype);
    for (std::size_t axis = 0; axis < shape_.size(); ++axis) {
        if (shape_[axis] < 0) throw py::value_error("shape: negative");
        if (axis > 0 && __builtin_mul_overflow(row_size_, shape_[axis], &row_size_)) throw py::value_error("shape: too large");
    }
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(rows(), row_size_, &bytes) || __builtin_mul_overflow(bytes, 8, &bytes)) throw py::value_error("shape: too large");
    if (data_ == nullptr) {
        static std::int64_t nothing;  // null stands for a missing array; no element of an empty one is ever read
        if (rows() * row_size_ != 0) throw py::value_error("address: null");
        data_ = &nothing;
    }
}

void* Array::expect(const char* name, DType dtype, std::int64_t rows, std::int64_t row_size) const {
    if (dtype != dtype_)
        throw py::type_error(std::string(name) + ": expected dtype " + name_of(dtype) + ", got " + name_of(dtype_));
    if (this->rows() != rows || row_size_ != row_size)
        throw py::value_error(std::string(name) + ": expected " + std::to_string(rows) + " rows of " + std::to_string(row_size) +
                              ", got " + std::to_string(this->rows()) + " of " + std::to_string(row_size_));
    return data_;
}

Edges make_edges(const Array& colptr, const Array* row, const Array* perm, std::int64_t num_src) {
    Edges edges;
    if (colptr.dimensions() != 1 || colptr.rows() < 1) throw py::value_error("colptr: expected (D + 1,)");
    if (num_src < 0) throw py::value_error("num_src: negative");
    edges.num_dst = colptr.rows() - 1;
    edges.num_src = num_src;
    edges.colptr = colptr.expect<const std::int64_t>("colptr", DType::int64, edges.num_dst + 1, 1);
    edges.num_edges = edges.colptr[edges.num_dst];
    const std::int64_t rows = row != nullptr ? row->rows() : num_src;
    if (edges.colptr[0] != 0 || edges.num_edges != rows)
        throw py::value_error("colptr: it goes from " + std::to_string(edges.colptr[0]) + " to " + std::to_string(edges.num_edges) +
                              ", but row or values have " + std::to_string(rows) + " entries");
    if (row == nullptr) {  // segments come as they are; the order inside an EdgeIndex was checked when it was built
        bool rising = true;
        for (std::int64_t d = 0; d < edges.num_dst; ++d) rising &= edges.colptr[d] <= edges.colptr[d + 1];
        if (!rising) throw py::value_error("colptr: falls");
        return edges;
    }
    if (row->dtype() != DType::int32 && row->dtype() != DType::int64) throw py::type_error("row: expected int32 or int64");
    edges.wide = row->dtype() == DType::int64;
    edges.row = row->expect("row", row->dtype(), edges.num_edges, 1);
    if (perm != nullptr) edges.perm = perm->expect("perm", row->dtype(), edges.num_edges, 1);
    return edges;
}

Messages make_messages(const Edges& edges, const Array& x, const Array* weight) {
    Messages messages;
    messages.edges = edges;
    messages.dtype = x.dtype();
    if (x.dtype() == DType::int32 || x.dtype() == DType::int64) throw py::type_error("x: expected floating point");
    messages.x = x.expect("x", x.dtype(), edges.num_src, x.row_size());
    messages.width = x.row_size();
    if (weight == nullptr) return messages;
    if (edges.row == nullptr) throw py::value_error("weight: segments take none");
    messages.heads = weight->row_size();
    if (messages.heads < 1 || x.row_size() % messages.heads != 0) throw py::value_error("weight: its heads do not divide the features");
    if (messages.heads > kMostHeads) throw py::value_error("weight: more than " + std::to_string(kMostHeads) + " heads");
    messages.width = x.row_size() / messages.heads;
    messages.weight = weight->expect("weight", compute_dtype(x.dtype()), edges.num_edges, messages.heads);
    return messages;
}

void bind_arrays(py::module_& m) {
    using py::arg;
    py::class_<Array>(m, "Array", "A tensor's contiguous CPU memory: address, dtype code and shape.")
        .def(py::init<py::object, Address, int, std::vector<std::int64_t>>(), arg("owner"), arg("address"), arg("dtype"), arg("shape"));
    m.def("result_memory", &result_memory, arg("bytes"), "(bytes,) uint8, uninitialised, in large pages; reused when it is let go of.");
    py::class_<Edges>(m, "Edges", "Destination-sorted edges; they keep their arrays alive.")
        .def(py::init(&make_edges), arg("colptr"), arg("row").none(true), arg("perm").none(true), arg("num_src"),
             py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>(),
             "colptr (D + 1,) int64; row (E,) int32 or int64, None: each edge's own position (then num_src is E); "
             "perm (E,), like row: where each edge's weight stands, None: at its position.");
}

}  // namespace gnnctl
