// Binds the reductions over segments of rows that aggregate() has not.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "arrays.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

#define GNNCTL_VECTOR_BYTES 16
namespace here {
#include "kernels_vector.h"
}

void expect_segments(const Edges& edges) {
    if (edges.row != nullptr) throw py::value_error("edges: expected segments");
}

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
template <typename Args>
void run(Kernel<Args> kernel, const Args& args, int threads) {
    if (args.width == 0) return;
    const py::gil_scoped_release unlocked;
    run_destinations(threads, args.edges.colptr, args.edges.num_dst, args.width * 4,
                     [&](std::int64_t first, std::int64_t last) { kernel(args, first, last); });
}

SegmentArgs forward_args(const Edges& edges, const Array& x, const Array& out) {
    expect_segments(edges);
    SegmentArgs args;
    args.edges = edges;
    args.width = x.row_size();
    args.x = x.expect("x", x.dtype(), edges.num_edges, args.width);
    args.out = out.expect("out", x.dtype(), edges.num_dst, args.width);
    return args;
}

SegmentArgs backward_args(const Edges& edges, const Array& x, const Array& result, const Array& grad, const Array& out) {
    SegmentArgs args = forward_args(edges, x, result);
    args.result = args.out;
    args.grad = grad.expect("grad", x.dtype(), edges.num_dst, args.width);
    args.out = out.expect("out", x.dtype(), edges.num_edges, args.width);
    return args;
}

void expect_computed(const Array& x) {
    if (x.dtype() != DType::float32 && x.dtype() != DType::float64) throw py::type_error("x: expected float32 or float64");
}

void logsumexp(const Edges& edges, const Array& x, const Array& out, int threads) {
    run(kernels_for(x.dtype()).logsumexp, forward_args(edges, x, out), threads);
}

void logsumexp_backward(const Edges& edges, const Array& x, const Array& result, const Array& grad, const Array& out, int threads) {
    run(kernels_for(x.dtype()).logsumexp_backward, backward_args(edges, x, result, grad, out), threads);
}

void product_backward(const Edges& edges, const Array& x, const Array& result, const Array& grad, const Array& out, int threads) {
    expect_computed(x);
    run(kernels_for(x.dtype()).product_backward, backward_args(edges, x, result, grad, out), threads);
}

// Which quantiles, and what stands for one that lies between two rows.
struct Quantiles {
    std::vector<double> q;
    Interpolation interpolation;

    Quantiles(std::vector<double> fractions, const std::string& name) : q(std::move(fractions)) {
        constexpr const char* names[] = {"linear", "lower", "higher", "nearest", "midpoint"};
        const auto* found = std::find(std::begin(names), std::end(names), name);
        if (found == std::end(names)) throw py::value_error("interpolation: unknown " + name);
        interpolation = static_cast<Interpolation>(found - std::begin(names));
        if (q.empty()) throw py::value_error("q: empty");
        for (const double fraction : q)
            if (!(fraction >= 0 && fraction <= 1)) throw py::value_error("q: expected 0 to 1, got " + std::to_string(fraction));
    }
};

void quantile(const Edges& edges, const Array& x, const Quantiles& quantiles, const Array& out, const Array& rank, int threads) {
    expect_segments(edges);
    QuantileArgs args;
    args.edges = edges;
    args.width = x.row_size();
    args.count = static_cast<std::int64_t>(quantiles.q.size());
    args.q = quantiles.q.data();
    args.interpolation = quantiles.interpolation;
    args.x = x.expect("x", x.dtype(), edges.num_edges, args.width);
    args.out = out.expect("out", x.dtype(), edges.num_dst, args.count * args.width);
    args.rank = rank.expect<std::int32_t>("rank", DType::int32, edges.num_dst, args.count * 2 * args.width);
    run(kernels_for(x.dtype()).quantile, args, threads);
}

template <typename T>
void scatter_quantiles(const QuantileArgs& a, const T* grad, T* out, std::int64_t first, std::int64_t last) {
    for (std::int64_t d = first; d < last; ++d) {
        const std::int64_t begin = a.edges.colptr[d], end = a.edges.colptr[d + 1];
        std::fill(out + begin * a.width, out + end * a.width, T(0));
        for (std::int64_t q = 0; q < a.count && begin < end; ++q) {
            const auto share = static_cast<T>(here::between_of(a.q[q], a.interpolation, end - begin).share);
            const T* from = grad + (d * a.count + q) * a.width;
            const std::int32_t* rank = a.rank + (d * a.count + q) * 2 * a.width;
            for (std::int64_t f = 0; f < a.width; ++f) {
                out[(begin + rank[f]) * a.width + f] += from[f] * (1 - share);
                if (share > 0) out[(begin + rank[a.width + f]) * a.width + f] += from[f] * share;
            }
        }
    }
}

void quantile_backward(const Edges& edges, const Array& grad, const Quantiles& quantiles, const Array& rank, const Array& out, int threads) {
    expect_segments(edges);
    expect_computed(out);
    QuantileArgs args;
    args.edges = edges;
    args.width = out.row_size();
    args.count = static_cast<std::int64_t>(quantiles.q.size());
    args.q = quantiles.q.data();
    args.interpolation = quantiles.interpolation;
    args.rank = rank.expect<std::int32_t>("rank", DType::int32, edges.num_dst, args.count * 2 * args.width);
    void* to = out.expect("out", out.dtype(), edges.num_edges, args.width);
    void* from = grad.expect("grad", out.dtype(), edges.num_dst, args.count * args.width);
    const py::gil_scoped_release unlocked;
    run_destinations(threads, edges.colptr, edges.num_dst, args.width, [&](std::int64_t first, std::int64_t last) {
        if (out.dtype() == DType::float64) scatter_quantiles(args, static_cast<const double*>(from), static_cast<double*>(to), first, last);
        else scatter_quantiles(args, static_cast<const float*>(from), static_cast<float*>(to), first, last);
    });
}

}  // namespace

void bind_segment(py::module_& m) {
    using py::arg;
    m.def("logsumexp", &logsumexp, arg("edges"), arg("x"), arg("out"), arg("threads"),
          "out[d] = log sum exp x[e]; minus infinity without edges.");
    m.def("logsumexp_backward", &logsumexp_backward, arg("edges"), arg("x"), arg("result"), arg("grad"), arg("out"), arg("threads"),
          "out[e] = grad[d] * exp(x[e] - result[d]).");
    m.def("product_backward", &product_backward, arg("edges"), arg("x"), arg("result"), arg("grad"), arg("out"), arg("threads"),
          "out[e] = grad[d] * product of d's other rows.");
    py::class_<Quantiles>(m, "Quantiles", "Fractions q in [0, 1], and linear, lower, higher, nearest or midpoint.")
        .def(py::init<std::vector<double>, const std::string&>(), arg("q"), arg("interpolation"));
    m.def("quantile", &quantile, arg("edges"), arg("x"), arg("quantiles"), arg("out"), arg("rank"), arg("threads"),
          "out (D, Q, ...): quantiles of each segment, zero without rows; rank (D, Q, 2, ...): the rows they lie between.");
    m.def("quantile_backward", &quantile_backward, arg("edges"), arg("grad"), arg("quantiles"), arg("rank"), arg("out"), arg("threads"),
          "out[e]: each quantile's gradient, shared by the rows it lies between.");
}

}  // namespace gnnctl
