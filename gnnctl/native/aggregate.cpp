// Binds the aggregations over destination-sorted edges and their gradients.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "arrays.h"
#include "select.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::int64_t kStreamed = std::int64_t{32} << 20;  // results that no cache holds

constexpr const char* kReduceNames[kReduces] = {"sum", "mean", "min", "max", "var", "std", "mul"};

// What an aggregation returns: out (D, R, ...), one column per reduction, and what its gradient needs.
struct Aggregates {
    std::vector<Reduce> reduces;
    std::optional<Array> out, average, argmin, argmax;

    Aggregates(const std::vector<std::string>& names, std::optional<Array> to, std::optional<Array> mean, std::optional<Array> least, std::optional<Array> most)
        : out(std::move(to)), average(std::move(mean)), argmin(std::move(least)), argmax(std::move(most)) {
        for (const std::string& name : names) {
            const auto* found = std::find(kReduceNames, kReduceNames + kReduces, name);
            const auto reduce = static_cast<Reduce>(found - kReduceNames);
            if (reduce == kReduces) throw py::value_error("reduces: unknown " + name);
            if (has(reduce)) throw py::value_error("reduces: " + name + " twice");
            reduces.push_back(reduce);
        }
        if (has(kMul) && reduces.size() > 1) throw py::value_error("reduces: mul only alone");
        if (reduces.empty()) throw py::value_error("reduces: empty");
        if ((has(kVar) || has(kStd)) != average.has_value()) throw py::value_error("average: needed for var and std, and only there");
        if (argmin.has_value() && !has(kMin)) throw py::value_error("argmin: only for min");
        if (argmax.has_value() && !has(kMax)) throw py::value_error("argmax: only for max");
    }

    bool has(Reduce reduce) const { return std::find(reduces.begin(), reduces.end(), reduce) != reduces.end(); }

    // Where each reduction's column of a (rows, R, width) array starts.
    template <typename Pointer>
    void columns(const Array& array, const char* name, DType dtype, std::int64_t rows, std::int64_t width, Pointer* to) const {
        auto* base = array.expect<char>(name, dtype, rows, static_cast<std::int64_t>(reduces.size()) * width);
        for (std::size_t i = 0; i < reduces.size(); ++i) to[reduces[i]] = base + static_cast<std::int64_t>(i) * width * size_of(dtype);
    }
};

std::int32_t* ranks(const std::optional<Array>& array, const char* name, std::int64_t rows, std::int64_t width) {
    return array ? array->expect<std::int32_t>(name, DType::int32, rows, width) : nullptr;
}

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
template <typename Args>
void run(Kernel<Args> kernel, const Args& args, const Edges& edges, std::int64_t width, int threads) {
    if (width == 0) return;
    const py::gil_scoped_release unlocked;
    run_destinations(threads, edges.colptr, edges.num_dst, width,
                     [&](std::int64_t first, std::int64_t last) { kernel(args, first, last); });
}

void aggregate(const Edges& edges, const Array& x, const Array* weight, const Aggregates& results, int threads) {
    AggregateArgs args;
    args.messages = make_messages(edges, x, weight);
    const std::int64_t width = x.row_size(), rows = edges.num_dst;
    args.stride = static_cast<std::int64_t>(results.reduces.size()) * width;
    if (!results.out) throw py::value_error("out: missing");
    results.columns(*results.out, "out", x.dtype(), rows, width, args.out);
    if (results.average) args.average = results.average->expect("average", compute_dtype(x.dtype()), rows, width);
    args.argmin = ranks(results.argmin, "argmin", rows, width);
    args.argmax = ranks(results.argmax, "argmax", rows, width);
    args.streaming = results.out->bytes() >= kStreamed;
    run(kernels_for(x.dtype()).aggregate, args, edges, width, threads);
}

GradientArgs gradient(const Edges& edges, const Array& grad, const Aggregates& results) {
    GradientArgs args;
    if (results.has(kMul)) throw py::value_error("reduces: mul has a gradient of its own");
    if (results.has(kMin) != results.argmin.has_value()) throw py::value_error("argmin: needed for the gradient of min");
    if (results.has(kMax) != results.argmax.has_value()) throw py::value_error("argmax: needed for the gradient of max");
    args.edges = edges;
    args.dtype = grad.dtype();
    const auto columns = static_cast<std::int64_t>(results.reduces.size());
    args.width = grad.row_size() / columns;
    args.stride = grad.row_size();
    results.columns(grad, "grad", args.dtype, edges.num_dst, args.width, args.grad);
    if (results.has(kStd)) {
        const void* out[kReduces];
        if (!results.out) throw py::value_error("out: needed for std");
        results.columns(*results.out, "out", args.dtype, edges.num_dst, args.width, out);
        args.deviation = out[kStd];
    }
    if (results.average) args.average = results.average->expect("average", compute_dtype(args.dtype), edges.num_dst, args.width);
    args.argmin = ranks(results.argmin, "argmin", edges.num_dst, args.width);
    args.argmax = ranks(results.argmax, "argmax", edges.num_dst, args.width);
    return args;
}

void spread(const Edges& edges, const Array& grad, const Aggregates& results, const Array* x, const Array& out, int threads) {
    GradientArgs args = gradient(edges, grad, results);
    if (edges.row != nullptr) throw py::value_error("edges: spread is for segments");
    if (results.average && x == nullptr) throw py::value_error("x: needed for var and std");
    if (x != nullptr) args.x = x->expect("x", args.dtype, edges.num_edges, args.width);
    args.out = out.expect("out", args.dtype, edges.num_edges, args.width);
    run(kernels_for(args.dtype).spread, args, edges, args.width, threads);
}

void fold(const Edges& edges, const Array& grad, const Aggregates& results, const Array& out, int threads) {
    GradientArgs args = gradient(edges, grad, results);
    args.out = out.expect("out", compute_dtype(args.dtype), edges.num_dst, args.width * (results.average ? 2 : 1));
    run(kernels_for(args.dtype).fold, args, edges, args.width, threads);
}

void select(const Edges& edges, const Array& grad, const Aggregates& results, const Array* weight, const Array& out, int threads) {
    const GradientArgs args = gradient(edges, grad, results);
    if (edges.row == nullptr) throw py::value_error("edges: select needs sources");
    auto* to = out.expect("out", compute_dtype(args.dtype), edges.num_src, args.width);
    const std::int64_t heads = weight == nullptr ? 1 : weight->row_size();
    const void* factors = weight == nullptr ? nullptr : weight->expect("weight", compute_dtype(args.dtype), edges.num_edges, heads);
    if (args.width == 0) return;
    const py::gil_scoped_release unlocked;
    select_sources(args, {factors, heads}, to, threads);
}

void select_weights(const Edges& edges, const Array& grad, const Aggregates& results, const Array& x, const Array& out, int threads) {
    GradientArgs args = gradient(edges, grad, results);
    if (edges.row == nullptr) throw py::value_error("edges: select needs sources");
    args.x = x.expect("x", args.dtype, edges.num_src, args.width);
    args.out = out.expect("out", compute_dtype(args.dtype), edges.num_edges, out.row_size());
    if (args.width == 0) return;
    const py::gil_scoped_release unlocked;
    select_edges(args, out.row_size(), threads);
}

void sddmm(const Edges& edges, const Array& grad, const Array& x, const Array& out, bool mean, int threads) {
    DotArgs args;
    args.messages = make_messages(edges, x, &out);
    args.grad = grad.expect("grad", x.dtype(), edges.num_dst, x.row_size());
    args.out = out.data();
    args.mean = mean;
    run(kernels_for(x.dtype()).dots, args, edges, x.row_size(), threads);
}

void weighted_gradient(const Edges& edges, const Array& grad, const Array& weight, const Array& x, const Array& out, const Array& dots, int threads) {
    WeightedGradientArgs args;
    args.messages = make_messages(edges, grad, &weight);
    args.x = x.expect("x", grad.dtype(), edges.num_dst, grad.row_size());
    args.out = out.expect("out", grad.dtype(), edges.num_dst, grad.row_size());
    args.dots = dots.expect("dots", compute_dtype(grad.dtype()), edges.num_edges, args.messages.heads);
    run(kernels_for(grad.dtype()).weighted_gradient, args, edges, grad.row_size(), threads);
}

}  // namespace

void bind_aggregate(py::module_& m) {
    using py::arg;
    m.def("kernels_name", &kernels_name, "The instruction set that the kernels use.");
    py::class_<Aggregates>(m, "Aggregates", "What an aggregation returns and its gradient needs.")
        .def(py::init<std::vector<std::string>, std::optional<Array>, std::optional<Array>, std::optional<Array>, std::optional<Array>>(),
             arg("reduces"), arg("out") = py::none(), arg("average") = py::none(), arg("argmin") = py::none(), arg("argmax") = py::none(),
             "out (D, R, ...) has a column per reduction; average (D, ...) of the compute type with var or std; argmin and "
             "argmax (D, ...) int32, which the gradients of min and max need: the chosen edge's rank in its destination, "
             "-1 without edges.");
    m.def("aggregate", &aggregate, arg("edges"), arg("x"), arg("weight").none(true), arg("results"), arg("threads"),
          "Fills the results from messages weight[e] * x[row[e]] in one pass over the edges.");
    m.def("spread", &spread, arg("edges"), arg("grad"), arg("results"), arg("x").none(true), arg("out"), arg("threads"),
          "The gradient of segment rows x: out (E, ...).");
    m.def("fold", &fold, arg("edges"), arg("grad"), arg("results"), arg("out"), arg("threads"),
          "out (D, 1, ...): what every message's gradient has in common; (D, 2, ...) with var or std: and its slope.");
    m.def("select", &select, arg("edges"), arg("grad"), arg("results"), arg("weight").none(true), arg("out"), arg("threads"),
          "Adds the gradient of minimum and maximum to that of x, out (S, ...) of the compute type.");
    m.def("select_weights", &select_weights, arg("edges"), arg("grad"), arg("results"), arg("x"), arg("out"), arg("threads"),
          "Adds the gradient of minimum and maximum to that of the weights, out (E, H).");
    m.def("weighted_gradient", &weighted_gradient, arg("edges"), arg("grad"), arg("weight"), arg("x"), arg("out"), arg("dots"), arg("threads"),
          "Both gradients of a weighted sum in one pass over the view by source: out (S, ...) that of x, dots (E, H) that of the weights.");
    m.def("sddmm", &sddmm, arg("edges"), arg("grad"), arg("x"), arg("out"), arg("mean"), arg("threads"),
          "out[e, h] = dot(grad[d, h], x[row[e], h]), divided by d's edges for a mean: the gradient of the weights.");
}

}  // namespace gnnctl
