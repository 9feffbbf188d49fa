// Binds the softmax over each destination's edges and the additive attention built on it.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "arrays.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// The parts of an edge's score: leaky_relu(src[row[e]] + dst[d] + edge[e]).
struct Scores {
    std::optional<Array> src, dst, edge;
    double slope;

    Scores(std::optional<Array> source, std::optional<Array> destination, std::optional<Array> of_edge, double negative_slope)
        : src(std::move(source)), dst(std::move(destination)), edge(std::move(of_edge)), slope(negative_slope) {
        if (!src && !dst && !edge) throw py::value_error("scores: none given");
    }
};

AttentionArgs make_args(const Edges& edges, const Scores& scores, const Array& out) {
    AttentionArgs args;
    const DType dtype = out.dtype();
    if (dtype != DType::float32 && dtype != DType::float64) throw py::type_error("out: expected float32 or float64");
    if (scores.src && edges.row == nullptr) throw py::value_error("src: needs row");
    args.edges = edges;
    args.heads = out.row_size();
    args.slope = scores.slope;
    if (scores.src) args.src = scores.src->expect("src", dtype, edges.num_src, args.heads);
    if (scores.dst) args.dst = scores.dst->expect("dst", dtype, edges.num_dst, args.heads);
    if (scores.edge) args.edge = scores.edge->expect("edge", dtype, edges.num_edges, args.heads);
    args.out = out.expect("out", dtype, edges.num_edges, args.heads);
    return args;
}

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
void run(Kernel<AttentionArgs> kernel, const AttentionArgs& args, int threads) {
    const py::gil_scoped_release unlocked;
    run_destinations(threads, args.edges.colptr, args.edges.num_dst, args.heads * 4,
                     [&](std::int64_t first, std::int64_t last) { kernel(args, first, last); });
}

void attention(const Edges& edges, const Scores& scores, const Array& out, int threads) {
    run(kernels_for(out.dtype()).attention, make_args(edges, scores, out), threads);
}

void attention_backward(const Edges& edges, const Scores& scores, const Array& prob, const Array& grad, const Array& out,
                        const Array& grad_dst, int threads) {
    AttentionArgs args = make_args(edges, scores, out);
    args.prob = prob.expect("prob", out.dtype(), edges.num_edges, args.heads);
    args.grad = grad.expect("grad", out.dtype(), edges.num_edges, args.heads);
    args.grad_dst = grad_dst.expect("grad_dst", out.dtype(), edges.num_dst, args.heads);
    run(kernels_for(out.dtype()).attention_backward, args, threads);
}

}  // namespace

void bind_softmax(py::module_& m) {
    using py::arg;
    py::class_<Scores>(m, "Scores", "Parts of an edge's score: leaky_relu(src[row[e]] + dst[d] + edge[e]); some may be None.")
        .def(py::init<std::optional<Array>, std::optional<Array>, std::optional<Array>, double>(), arg("src"), arg("dst"),
             arg("edge"), arg("slope"));
    m.def("attention", &attention, arg("edges"), arg("scores"), arg("out"), arg("threads"),
          "out (E, H) = softmax of the scores over each destination's edges.");
    m.def("attention_backward", &attention_backward, arg("edges"), arg("scores"), arg("prob"), arg("grad"), arg("out"),
          arg("grad_dst"), arg("threads"),
          "out (E, H): gradient of the score before leaky_relu; grad_dst (D, H): its sum per destination.");
}

}  // namespace gnnctl
