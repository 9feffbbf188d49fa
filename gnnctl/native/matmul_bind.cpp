// Binds the products of rows by type and of lists of matrices.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "arrays.h"
#include "matmul.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& problem) { throw py::value_error(name + ": " + problem); }

DType floats(const Array& x) {
    if (x.dtype() != DType::float32 && x.dtype() != DType::float64) throw py::type_error("x: expected float32 or float64");
    return x.dtype();
}

void check_matrix(const Array& array, const char* name, std::size_t dimensions) {
    if (array.dimensions() != dimensions) refuse(name, "expected " + std::to_string(dimensions) + " dimensions, got " + std::to_string(array.dimensions()));
}

// One matrix or bias of each type: (types, rows, columns) and (types, columns of the product).
struct Weights {
    Array weight;
    std::optional<Array> bias;
    bool transposed;

    Weights(Array matrices, std::optional<Array> of_columns, bool swap)
        : weight(std::move(matrices)), bias(std::move(of_columns)), transposed(swap) {
        check_matrix(weight, "weight", 3);
    }
    std::int64_t types() const { return weight.extent(0); }
    std::int64_t k() const { return weight.extent(transposed ? 2 : 1); }
    std::int64_t m() const { return weight.extent(transposed ? 1 : 2); }
};

// The rows of each type: where they start, and after the last type where they end.
const std::int64_t* check_ptr(const Array& ptr, std::int64_t types, std::int64_t rows) {
    const auto* at = ptr.expect<const std::int64_t>("ptr", DType::int64, types + 1, 1);
    bool rising = at[0] == 0 && at[types] == rows;
    for (std::int64_t t = 0; t < types; ++t) rising &= at[t] <= at[t + 1];
    if (!rising) refuse("ptr", "expected to rise from 0 to the " + std::to_string(rows) + " rows of x");
    return at;
}

const char* moved(const void* data, std::int64_t elements, DType dtype) { return static_cast<const char*>(data) + elements * size_of(dtype); }
char* moved(void* data, std::int64_t elements, DType dtype) { return static_cast<char*>(data) + elements * size_of(dtype); }

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
void segment_matmul(const Array& x, const Array& ptr, const Weights& weights, const Array& out, int threads) {
    const DType dtype = floats(x);
    check_matrix(x, "x", 2);
    const std::int64_t types = weights.types(), k = weights.k(), m = weights.m();
    const void* a = x.expect("x", dtype, x.rows(), k);
    const void* b = weights.weight.expect("weight", dtype, types, k * m);
    const void* bias = weights.bias ? weights.bias->expect("bias", dtype, types, m) : nullptr;
    void* c = out.expect("out", dtype, x.rows(), m);
    const std::int64_t* at = check_ptr(ptr, types, x.rows());
    const py::gil_scoped_release unlocked;
    std::vector<MatmulGroup> groups(static_cast<std::size_t>(types));
    for (std::int64_t t = 0; t < types; ++t) {
        MatmulGroup& g = groups[static_cast<std::size_t>(t)];
        g.a = moved(a, at[t] * k, dtype);
        g.b = moved(b, t * k * m, dtype);
        g.bias = bias == nullptr ? nullptr : moved(bias, t * m, dtype);
        g.c = moved(c, at[t] * m, dtype);
        g.rows = at[t + 1] - at[t];
        g.k = k;
        g.m = m;
        g.transposed = weights.transposed;
    }
    matmul_product(dtype, groups, threads);
}

void segment_outer(const Array& x, const Array& ptr, const Array& grad, const Array& out, int threads) {
    const DType dtype = floats(x);
    check_matrix(x, "x", 2);
    check_matrix(grad, "grad", 2);
    check_matrix(out, "out", 3);
    const std::int64_t types = out.extent(0), k = x.extent(1), m = grad.extent(1);
    const void* b = grad.expect("grad", dtype, x.rows(), m);
    if (out.extent(1) != k) refuse("out", "expected (types, columns of x, columns of grad)");
    void* c = out.expect("out", dtype, types, k * m);
    const std::int64_t* at = check_ptr(ptr, types, x.rows());
    const py::gil_scoped_release unlocked;
    std::vector<MatmulGroup> groups(static_cast<std::size_t>(types));
    for (std::int64_t t = 0; t < types; ++t) {
        MatmulGroup& g = groups[static_cast<std::size_t>(t)];
        g.a = moved(x.data(), at[t] * k, dtype);
        g.b = moved(b, at[t] * m, dtype);
        g.c = moved(c, t * k * m, dtype);
        g.rows = at[t + 1] - at[t];
        g.k = k;
        g.m = m;
    }
    matmul_outer(dtype, groups, threads);
}

using Arrays = std::vector<Array>;

void check_count(const char* name, std::size_t count, std::size_t expected) {
    if (count != expected) refuse(name, "expected " + std::to_string(expected) + " matrices, got " + std::to_string(count));
}

void grouped_matmul(const Arrays& xs, const std::vector<Weights>& weights, const Arrays& outs, int threads) {
    check_count("weights", weights.size(), xs.size());
    check_count("outs", outs.size(), xs.size());
    if (xs.empty()) return;
    const DType dtype = floats(xs[0]);
    std::vector<MatmulGroup> groups(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) {
        MatmulGroup& g = groups[i];
        check_matrix(xs[i], "xs", 2);
        g.rows = xs[i].rows();
        g.k = weights[i].k();
        g.m = weights[i].m();
        g.transposed = weights[i].transposed;
        g.a = xs[i].expect("xs", dtype, g.rows, g.k);
        g.b = weights[i].weight.expect("weights", dtype, 1, g.k * g.m);
        g.bias = weights[i].bias ? weights[i].bias->expect("biases", dtype, 1, g.m) : nullptr;
        g.c = outs[i].expect("outs", dtype, g.rows, g.m);
    }
    const py::gil_scoped_release unlocked;
    matmul_product(dtype, groups, threads);
}

void grouped_outer(const Arrays& xs, const Arrays& grads, const Arrays& outs, int threads) {
    check_count("grads", grads.size(), xs.size());
    check_count("outs", outs.size(), xs.size());
    if (xs.empty()) return;
    const DType dtype = floats(xs[0]);
    std::vector<MatmulGroup> groups(xs.size());
    for (std::size_t i = 0; i < xs.size(); ++i) {
        MatmulGroup& g = groups[i];
        check_matrix(xs[i], "xs", 2);
        check_matrix(grads[i], "grads", 2);
        g.rows = xs[i].rows();
        g.k = xs[i].extent(1);
        g.m = grads[i].extent(1);
        g.a = xs[i].expect("xs", dtype, g.rows, g.k);
        g.b = grads[i].expect("grads", dtype, g.rows, g.m);
        g.c = outs[i].expect("outs", dtype, g.k, g.m);
    }
    const py::gil_scoped_release unlocked;
    matmul_outer(dtype, groups, threads);
}

}  // namespace

void bind_matmul(py::module_& m) {
    using py::arg;
    py::class_<Weights>(m, "Weights", "(T, K, M) matrices and (T, M) biases or None; transposed: the matrices are (T, M, K).")
        .def(py::init<Array, std::optional<Array>, bool>(), arg("weight"), arg("bias"), arg("transposed"));
    m.def("segment_matmul", &segment_matmul, arg("x"), arg("ptr"), arg("weights"), arg("out"), arg("threads"),
          "out (N, M): each row of x (N, K) times its type's matrix; type t has the rows ptr[t]:ptr[t + 1].");
    m.def("segment_outer", &segment_outer, arg("x"), arg("ptr"), arg("grad"), arg("out"), arg("threads"),
          "out (T, K, M): of each type x' grad, with x (N, K) and grad (N, M).");
    m.def("grouped_matmul", &grouped_matmul, arg("xs"), arg("weights"), arg("outs"), arg("threads"),
          "outs[i] = xs[i] weights[i]; each has weights of one type.");
    m.def("grouped_outer", &grouped_outer, arg("xs"), arg("grads"), arg("outs"), arg("threads"),
          "outs[i] (K, M) = xs[i]' grads[i], with xs[i] (N, K) and grads[i] (N, M).");
}

}  // namespace gnnctl
