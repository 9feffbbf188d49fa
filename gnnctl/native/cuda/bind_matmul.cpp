// Binds products of rows by type and of lists of matrices.
#include "bind.h"

namespace gnnctl::cuda {
namespace {

TypedRows rows_of(const Array& x, const std::optional<Array>& ptr, std::int64_t types, bool tf32) {
    if (x.dimensions() != 2) throw py::value_error("x: expected (N, K)");
    if (!ptr && types != 1) throw py::value_error("ptr: missing for several types");
    TypedRows r;
    r.dtype = scalar_of(x, "x");
    r.tf32 = tf32;
    r.ptr = expect_or_null<const std::int64_t>(ptr, "ptr", DType::int64, types + 1, 1);
    r.types = types;
    r.rows = x.rows();
    return r;
}

void run_segment_matmul(const Place& place, const Array& x, const std::optional<Array>& ptr, const Array& weight, bool turned,
                        const std::optional<Array>& bias, const Array& out, bool tf32) {
    if (weight.dimensions() != 3) throw py::value_error("weight: expected (T, K, M)");
    const std::int64_t types = weight.extent(0), k = weight.extent(turned ? 2 : 1), n = weight.extent(turned ? 1 : 2);
    const TypedRows r = rows_of(x, ptr, types, tf32);
    segment_matmul(r, x.expect("x", x.dtype(), r.rows, k), weight.expect("weight", x.dtype(), types, k * n), turned,
                   expect_or_null(bias, "bias", x.dtype(), types, n), k, n, out.expect("out", x.dtype(), r.rows, n), place);
}

void run_segment_outer(const Place& place, const Array& x, const std::optional<Array>& ptr, const Array& grad, const Array& out, bool tf32) {
    if (out.dimensions() != 3) throw py::value_error("out: expected (T, K, M)");
    const std::int64_t types = out.extent(0), m = out.extent(1), n = out.extent(2);
    const TypedRows r = rows_of(x, ptr, types, tf32);
    segment_outer(r, x.expect("x", x.dtype(), r.rows, m), grad.expect("grad", x.dtype(), r.rows, n), m, n, out.expect("out", x.dtype(), types, m * n), place);
}

void run_grouped_matmul(const Place& place, const std::vector<Array>& xs, const std::vector<Array>& weights, const std::vector<std::optional<Array>>& biases,
                        bool turned, const std::vector<Array>& outs, bool tf32) {
    if (weights.size() != xs.size() || biases.size() != xs.size() || outs.size() != xs.size()) throw py::value_error("xs: lists of different lengths");
    std::vector<Factor> factors;
    for (std::size_t i = 0; i < xs.size(); ++i) {
        const Array &x = xs[i], &weight = weights[i];
        if (x.dimensions() != 2 || weight.dimensions() != 2) throw py::value_error("xs: expected matrices");
        Factor f;
        f.m = x.rows();
        f.k = weight.extent(turned ? 1 : 0);
        f.n = weight.extent(turned ? 0 : 1);
        f.a = x.expect("xs", xs[0].dtype(), f.m, f.k);
        f.b = weight.expect("weights", xs[0].dtype(), weight.rows(), weight.row_size());
        f.bias = expect_or_null(biases[i], "biases", xs[0].dtype(), f.n, 1);
        f.c = outs[i].expect("outs", xs[0].dtype(), f.m, f.n);
        factors.push_back(f);
    }
    if (!xs.empty()) grouped_matmul(scalar_of(xs[0], "xs"), tf32, factors, turned, place);
}

}  // namespace

void bind_matmul(py::module_& m) {
    using py::arg;
    m.def("segment_matmul", &run_segment_matmul, arg("place"), arg("x"), arg("ptr").none(true), arg("weight"), arg("turned"), arg("bias").none(true),
          arg("out"), arg("tf32"), "out (N, M): rows of x (N, K) times the matrix of their type, (T, K, M), or (T, M, K) where turned.");
    m.def("segment_outer", &run_segment_outer, arg("place"), arg("x"), arg("ptr").none(true), arg("grad"), arg("out"), arg("tf32"),
          "out (T, K, M): of each type x' grad.");
    m.def("grouped_matmul", &run_grouped_matmul, arg("place"), arg("xs"), arg("weights"), arg("biases"), arg("turned"), arg("outs"), arg("tf32"),
          "outs[i] = xs[i] weights[i] + biases[i]");
}

}  // namespace gnnctl::cuda
