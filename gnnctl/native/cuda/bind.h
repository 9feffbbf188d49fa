// What the bindings of the launchers share: checked arrays, edges and the place where a kernel runs.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "../arrays.h"
#include "arguments.h"

namespace gnnctl::cuda {

namespace py = pybind11;

// Addresses are the device's: sizes and types can be checked here, contents were when an EdgeIndex was built.
struct DeviceEdges {
    Csc csc;
    std::int64_t num_src = 0;
    std::vector<Array> held;  // keeps the memory alive
    DeviceEdges(const Array& colptr, const std::optional<Array>& row, const std::optional<Array>& perm, std::int64_t num_src);
};

inline Scalar scalar_of(const Array& array, const char* name) {
    switch (array.dtype()) {
        case DType::float32: return Scalar::float32;
        case DType::bfloat16: return Scalar::bfloat16;
        case DType::float16: return Scalar::float16;
        default: throw py::type_error(std::string(name) + ": expected float32, bfloat16 or float16");
    }
}

// Null where there is none.
template <typename T = void>
T* expect_or_null(const std::optional<Array>& array, const char* name, DType dtype, std::int64_t rows, std::int64_t row_size) {
    return array ? static_cast<T*>(array->expect(name, dtype, rows, row_size)) : nullptr;
}

inline Factors factors_of(const std::optional<Array>& weight, std::int64_t num_edges, std::int64_t width) {
    Factors factors;
    if (!weight) return factors;
    factors.dtype = scalar_of(*weight, "weight");
    factors.heads = weight->row_size();
    factors.at = weight->expect("weight", weight->dtype(), num_edges, factors.heads);
    if (factors.heads < 1 || width % factors.heads != 0) throw py::value_error("weight: its heads do not divide the features");
    return factors;
}

void bind_aggregate(py::module_& m);
void bind_attention(py::module_& m);
void bind_matmul(py::module_& m);

}  // namespace gnnctl::cuda
