// Binds softmax, attention and log-sum-exp.
#include "bind.h"

namespace gnnctl::cuda {
namespace {

struct BoundScores {
    Scores scores;
    DType dtype;
    std::vector<Array> held;  // keeps the memory alive

    BoundScores(const DeviceEdges& edges, const std::optional<Array>& src, const std::optional<Array>& dst, const std::optional<Array>& edge, double slope) {
        const Array* given = edge ? &*edge : src ? &*src : dst ? &*dst : nullptr;
        if (given == nullptr) throw py::value_error("scores: none");
        scores.edges = edges.csc;
        held = edges.held;
        for (const std::optional<Array>* part : {&src, &dst, &edge})
            if (*part) held.push_back(**part);
        scores.dtype = scalar_of(*given, "scores");
        scores.heads = given->row_size();
        scores.slope = static_cast<float>(slope);
        dtype = given->dtype();
        if (src && edges.csc.row == nullptr) throw py::value_error("src: needs sources");
        scores.src = expect_or_null(src, "src", dtype, edges.num_src, scores.heads);
        scores.dst = expect_or_null(dst, "dst", dtype, edges.csc.num_dst, scores.heads);
        scores.edge = expect_or_null(edge, "edge", dtype, edges.csc.num_edges, scores.heads);
    }
    void* per_edge(const Array& array, const char* name, DType type) const { return array.expect(name, type, scores.edges.num_edges, scores.heads); }
    float* per_destination(const Array& array, const char* name) const {
        return array.expect<float>(name, DType::float32, scores.edges.num_dst, scores.heads);
    }
};

void run_softmax(const Place& place, const BoundScores& s, const Array& out) { softmax(s.scores, s.per_edge(out, "out", s.dtype), place); }

void run_softmax_backward(const Place& place, const BoundScores& s, const Array& prob, const Array& grad, const Array& out, const Array& by_dst) {
    softmax_backward(s.scores, s.per_edge(prob, "prob", s.dtype), s.per_edge(grad, "grad", s.dtype), s.per_edge(out, "out", s.dtype),
                     by_dst.expect("by_dst", s.dtype, s.scores.edges.num_dst, s.scores.heads), place);
}

std::int64_t width_of(const BoundScores& s, const Array& x) {
    const std::int64_t width = x.row_size();
    if (s.scores.edges.row == nullptr) throw py::value_error("edges: attention needs sources");
    if (s.scores.heads < 1 || width % s.scores.heads != 0) throw py::value_error("x: heads do not divide the features");
    return width;
}

void run_attend(const Place& place, const DeviceEdges& edges, const BoundScores& s, const Array& x, const Array& out, const Array& peak, const Array& scale) {
    const std::int64_t width = width_of(s, x);
    const Levels levels{s.per_destination(peak, "peak"), s.per_destination(scale, "scale")};
    attend(s.scores, x.expect("x", s.dtype, edges.num_src, width), width, out.expect("out", s.dtype, edges.csc.num_dst, width), levels, place);
}

void run_attend_backward(const Place& place, const DeviceEdges& edges, const BoundScores& s, const Array& x, const Array& out, const Array& grad,
                         const Array& peak, const Array& scale, const Array& prob, const Array& score_grad) {
    const std::int64_t width = width_of(s, x), num_dst = edges.csc.num_dst;
    const Levels levels{s.per_destination(peak, "peak"), s.per_destination(scale, "scale")};
    const void* gradient = grad.expect("grad", s.dtype, num_dst, width);
    auto* mixed = static_cast<float*>(place.scratch(static_cast<std::size_t>(num_dst * s.scores.heads) * sizeof(float)));
    row_dots(s.scores.dtype, out.expect("out", s.dtype, num_dst, width), gradient, num_dst, s.scores.heads, width, mixed, place);
    attend_backward(s.scores, x.expect("x", s.dtype, edges.num_src, width), gradient, width, levels, mixed,
                    static_cast<float*>(s.per_edge(prob, "prob", DType::float32)), static_cast<float*>(s.per_edge(score_grad, "score_grad", DType::float32)), place);
}

const Csc& segments_of(const DeviceEdges& edges) {
    if (edges.csc.row != nullptr) throw py::value_error("edges: expected segments");
    return edges.csc;
}

void run_logsumexp(const Place& place, const DeviceEdges& edges, const Array& x, const Array& out) {
    const Csc& segments = segments_of(edges);
    logsumexp(segments, scalar_of(x, "x"), x.expect("x", x.dtype(), segments.num_edges, x.row_size()), x.row_size(),
              out.expect("out", x.dtype(), segments.num_dst, x.row_size()), place);
}

void run_logsumexp_backward(const Place& place, const DeviceEdges& edges, const Array& x, const Array& result, const Array& grad, const Array& out) {
    const Csc& segments = segments_of(edges);
    const std::int64_t width = x.row_size();
    logsumexp_backward(segments, scalar_of(x, "x"), x.expect("x", x.dtype(), segments.num_edges, width),
                       result.expect("result", x.dtype(), segments.num_dst, width), grad.expect("grad", x.dtype(), segments.num_dst, width), width,
                       out.expect("out", x.dtype(), segments.num_edges, width), place);
}

}  // namespace

void bind_attention(py::module_& m) {
    using py::arg;
    py::class_<BoundScores>(m, "Scores", py::module_local(), "leaky_relu(src[row[e]] + dst[d] + edge[e]); what is missing is zero.")
        .def(py::init<const DeviceEdges&, std::optional<Array>, std::optional<Array>, std::optional<Array>, double>(), arg("edges"),
             arg("src").none(true), arg("dst").none(true), arg("edge").none(true), arg("slope"));
    m.def("softmax", &run_softmax, arg("place"), arg("scores"), arg("out"), "out (E, H): the softmax within each destination.");
    m.def("softmax_backward", &run_softmax_backward, arg("place"), arg("scores"), arg("prob"), arg("grad"), arg("out"), arg("by_dst"),
          "Gradients of the sum inside leaky_relu, (E, H), and of its sum by destination, (D, H).");
    m.def("attend", &run_attend, arg("place"), arg("edges"), arg("scores"), arg("x"), arg("out"), arg("peak"), arg("scale"),
          "The sum of x[row[e]] that the softmax weighs, (D, H, F), in one pass; peak and scale (D, H) are for the gradient.");
    m.def("attend_backward", &run_attend_backward, arg("place"), arg("edges"), arg("scores"), arg("x"), arg("out"), arg("grad"), arg("peak"),
          arg("scale"), arg("prob"), arg("score_grad"), "(E, H) float32: the probabilities, and gradients of the sum inside leaky_relu.");
    m.def("logsumexp", &run_logsumexp, arg("place"), arg("edges"), arg("x"), arg("out"), "out (D, ...) of segment rows x.");
    m.def("logsumexp_backward", &run_logsumexp_backward, arg("place"), arg("edges"), arg("x"), arg("result"), arg("grad"), arg("out"),
          "The gradient of segment rows: out (E, ...).");
}

}  // namespace gnnctl::cuda
