// Binds aggregation and its gradients.
#include "bind.h"

namespace gnnctl::cuda {
namespace {

constexpr const char* kNames[] = {"sum", "mean", "min", "max", "var", "std"};

std::int64_t checked_rows(const DeviceEdges& edges) { return edges.csc.row == nullptr ? edges.csc.num_edges : edges.num_src; }

// Results of an aggregation: out (D, R, width) with a column for each name.
struct Results {
    std::vector<Reduce> reduces;
    std::optional<Array> out, average, argmin, argmax;

    Results(const std::vector<std::string>& names, std::optional<Array> out, std::optional<Array> average, std::optional<Array> argmin, std::optional<Array> argmax)
        : out(std::move(out)), average(std::move(average)), argmin(std::move(argmin)), argmax(std::move(argmax)) {
        for (const std::string& name : names) {
            int found = 0;
            while (found < kReduces && name != kNames[found]) ++found;
            if (found == kReduces) throw py::value_error("reduces: unknown " + name);
            for (const Reduce other : reduces)
                if (other == found) throw py::value_error("reduces: " + name + " twice");
            reduces.push_back(static_cast<Reduce>(found));
        }
        if (reduces.empty()) throw py::value_error("reduces: empty");
    }

    bool has(Reduce reduce) const {
        for (const Reduce one : reduces)
            if (one == reduce) return true;
        return false;
    }

    // Each reduction's column in (D, R, width); the distance between destinations is R * width.
    template <typename Pointer>
    void columns(const Array& array, const char* name, DType dtype, std::int64_t num_dst, std::int64_t width, Pointer (&found)[kReduces]) const {
        auto* start = static_cast<char*>(array.expect(name, dtype, num_dst, width * static_cast<std::int64_t>(reduces.size())));
        for (std::size_t i = 0; i < reduces.size(); ++i) found[reduces[i]] = start + static_cast<std::int64_t>(i) * width * size_of(dtype);
    }

    // Average, argmin and argmax, wherever they are needed; forward may do without ranks.
    template <typename Args>
    void others(Args& args, std::int64_t num_dst, std::int64_t width, bool ranked) const {
        args.average = expect_or_null<float>(average, "average", DType::float32, num_dst, width);
        args.argmin = expect_or_null<std::int32_t>(argmin, "argmin", DType::int32, num_dst, width);
        args.argmax = expect_or_null<std::int32_t>(argmax, "argmax", DType::int32, num_dst, width);
        if (ranked ? has(kMin) != bool(argmin) : argmin && !has(kMin)) throw py::value_error("argmin: goes with min");
        if (ranked ? has(kMax) != bool(argmax) : argmax && !has(kMax)) throw py::value_error("argmax: goes with max");
        if ((has(kVar) || has(kStd)) != (args.average != nullptr)) throw py::value_error("average: goes with var and std");
    }
};

void run_aggregate(const Place& place, const DeviceEdges& edges, const Array& x, const std::optional<Array>& weight, const Results& results) {
    Aggregation a;
    a.edges = edges.csc;
    a.dtype = scalar_of(x, "x");
    a.width = x.row_size();
    a.x = x.expect("x", x.dtype(), checked_rows(edges), a.width);
    a.weight = factors_of(weight, edges.csc.num_edges, a.width);
    if (!results.out) throw py::value_error("out: missing");
    a.stride = a.width * static_cast<std::int64_t>(results.reduces.size());
    results.columns(*results.out, "out", x.dtype(), edges.csc.num_dst, a.width, a.out);
    results.others(a, edges.csc.num_dst, a.width, false);
    aggregate(a, place);
}

Gradient gradient_of(const DeviceEdges& edges, const Array& grad, const Results& results, const std::optional<Array>& folded) {
    Gradient g;
    g.edges = edges.csc;
    g.dtype = scalar_of(grad, "grad");
    g.stride = grad.row_size();
    g.width = g.stride / static_cast<std::int64_t>(results.reduces.size());
    results.columns(grad, "grad", grad.dtype(), edges.csc.num_dst, g.width, g.grad);
    results.others(g, edges.csc.num_dst, g.width, true);
    if (results.has(kStd)) {
        const void* out[kReduces] = {};
        if (!results.out) throw py::value_error("out: needed for std");
        results.columns(*results.out, "out", grad.dtype(), edges.csc.num_dst, g.width, out);
        g.deviation = out[kStd];
    }
    g.folded = expect_or_null<float>(folded, "folded", DType::float32, edges.csc.num_dst, g.width * (g.average == nullptr ? 1 : 2));
    return g;
}

void run_fold(const Place& place, const DeviceEdges& edges, const Array& grad, const Results& results, const Array& folded) {
    const Gradient g = gradient_of(edges, grad, results, folded);
    fold(g, const_cast<float*>(g.folded), place);
}

void run_spread(const Place& place, const DeviceEdges& edges, const Array& grad, const Results& results, const std::optional<Array>& x, const Array& out) {
    const Gradient g = gradient_of(edges, grad, results, std::nullopt);
    if (edges.csc.row != nullptr) throw py::value_error("edges: spread is for segments");
    if (g.average != nullptr && !x) throw py::value_error("x: needed for var and std");
    const void* rows = expect_or_null(x, "x", grad.dtype(), edges.csc.num_edges, g.width);
    spread(g, rows, out.expect("out", grad.dtype(), edges.csc.num_edges, g.width), place);
}

// What is neither a lone sum nor an extreme has to be folded first.
void check_folded(const Results& results, const Gradient& g) {
    const bool smooth = results.has(kSum) || results.has(kMean) || results.has(kVar) || results.has(kStd);
    const bool alone = results.reduces.size() == 1 && results.has(kSum);
    if (smooth && !alone && g.folded == nullptr) throw py::value_error("folded: missing");
}

void run_by_source(const Place& place, const DeviceEdges& edges, const Array& grad, const Results& results, const std::optional<Array>& folded,
                   const DeviceEdges& view, const std::optional<Array>& x, const std::optional<Array>& weight, const Array& out) {
    const Gradient g = gradient_of(edges, grad, results, folded);
    check_folded(results, g);
    if (edges.csc.row == nullptr || view.csc.row == nullptr) throw py::value_error("edges: by_source needs sources");
    if (view.csc.num_edges != edges.csc.num_edges || view.csc.num_dst != edges.num_src || view.num_src != edges.csc.num_dst)
        throw py::value_error("view: its sizes are not those of the edges");
    if (view.csc.perm == nullptr && (weight || g.argmin != nullptr || g.argmax != nullptr || g.average != nullptr)) throw py::value_error("view: perm is needed");
    if (g.average != nullptr && !x) throw py::value_error("x: needed for var and std");
    const void* rows = expect_or_null(x, "x", grad.dtype(), edges.num_src, g.width);
    by_source(g, view.csc, rows, factors_of(weight, edges.csc.num_edges, g.width), out.expect("out", grad.dtype(), edges.num_src, g.width), place);
}

void run_by_edge(const Place& place, const DeviceEdges& edges, const Array& grad, const Results& results, const std::optional<Array>& folded,
                 const Array& x, const std::optional<Array>& weight, const Array& out) {
    const Gradient g = gradient_of(edges, grad, results, folded);
    check_folded(results, g);
    if (edges.csc.row == nullptr) throw py::value_error("edges: by_edge needs sources");
    if (g.average != nullptr && !weight) throw py::value_error("weight: needed for var and std");
    Factors factors = factors_of(weight, edges.csc.num_edges, g.width);
    factors.heads = out.row_size();
    if (weight && weight->row_size() != factors.heads) throw py::value_error("out: expected the weights' shape");
    if (factors.heads < 1 || g.width % factors.heads != 0) throw py::value_error("out: its heads do not divide the features");
    void* to = out.expect("out", out.dtype(), edges.csc.num_edges, factors.heads);
    by_edge(g, x.expect("x", grad.dtype(), edges.num_src, g.width), factors, to, scalar_of(out, "out"), place);
}

void run_gather(const Place& place, const Array& x, const Array& index, const Array& out) {
    if (index.dtype() != DType::int32 && index.dtype() != DType::int64) throw py::type_error("index: expected int32 or int64");
    void* to = out.expect("out", x.dtype(), index.rows(), x.row_size());
    gather(x.data(), index.expect("index", index.dtype(), index.rows(), 1), index.dtype() == DType::int64, index.rows(),
           x.row_size() * gnnctl::size_of(x.dtype()), to, place);
}

}  // namespace

void bind_aggregate(py::module_& m) {
    using py::arg;
    const auto none = py::none();
    py::class_<Results>(m, "Results", py::module_local(), "What an aggregation returns and its gradient needs.")
        .def(py::init<std::vector<std::string>, std::optional<Array>, std::optional<Array>, std::optional<Array>, std::optional<Array>>(),
             arg("reduces"), arg("out") = none, arg("average") = none, arg("argmin") = none, arg("argmax") = none);
    m.def("aggregate", &run_aggregate, arg("place"), arg("edges"), arg("x"), arg("weight").none(true), arg("results"),
          "Fills the results from messages weight[e] * x[row[e]] in one pass over the edges.");
    m.def("fold", &run_fold, arg("place"), arg("edges"), arg("grad"), arg("results"), arg("folded"),
          "folded (D, 1, ...): what every message's gradient has in common; (D, 2, ...) with var or std: and its slope.");
    m.def("spread", &run_spread, arg("place"), arg("edges"), arg("grad"), arg("results"), arg("x").none(true), arg("out"),
          "The gradient of segment rows x: out (E, ...).");
    m.def("by_source", &run_by_source, arg("place"), arg("edges"), arg("grad"), arg("results"), arg("folded").none(true), arg("view"),
          arg("x").none(true), arg("weight").none(true), arg("out"), "The gradient of source rows over the view by source: out (S, ...).");
    m.def("by_edge", &run_by_edge, arg("place"), arg("edges"), arg("grad"), arg("results"), arg("folded").none(true), arg("x"),
          arg("weight").none(true), arg("out"), "The gradient of weights: out (E, H).");
    m.def("gather", &run_gather, arg("place"), arg("x"), arg("index"), arg("out"), "out[i] = x[index[i]]");
}

}  // namespace gnnctl::cuda
