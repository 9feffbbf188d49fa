// Binds attention fused with the sum that it weighs.
#include "fused.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <string_view>

#include "arrays.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

const FusedTable& table_of(DType dtype) {
    if (dtype == DType::float64) return portable::fused_f64;
    const FusedSet* set = &portable::fused;
#ifdef GNNCTL_X86
    const std::string_view name = kernels_name();
    if (name == "avx512") set = &avx512::fused;
    else if (name == "avx2") set = &avx2::fused;
#endif
    return dtype == DType::bfloat16 ? set->bf16 : dtype == DType::float16 ? set->f16 : set->f32;
}

// What is summed, (S, H, F), and the parts of its score; src (S, H), dst (D, H), edge (E, H).
struct Attended {
    Array x;
    std::optional<Array> src, dst, edge;
    double slope;

    Attended(Array features, std::optional<Array> source, std::optional<Array> destination, std::optional<Array> of_edge, double negative_slope)
        : x(std::move(features)), src(std::move(source)), dst(std::move(destination)), edge(std::move(of_edge)), slope(negative_slope) {
        if (x.dtype() == DType::int32 || x.dtype() == DType::int64) throw py::type_error("x: expected floating point");
        if (x.dimensions() != 3 || x.extent(1) < 1) throw py::value_error("x: expected (sources, heads, width), with a head");
        if (x.extent(1) > kMostHeads) throw py::value_error("x: more than " + std::to_string(kMostHeads) + " heads");
        if (!src && !dst && !edge) throw py::value_error("src: no part of the score is given");
    }
};

FusedArgs make_args(const Edges& edges, const Attended& in, const Array& stats) {
    if (edges.row == nullptr) throw py::value_error("edges: row is missing");
    const DType compute = compute_dtype(in.x.dtype());
    FusedArgs args;
    AttentionArgs& scores = args.scores;
    scores.edges = edges;
    scores.heads = in.x.extent(1);
    scores.slope = in.slope;
    if (in.src) scores.src = in.src->expect("src", compute, edges.num_src, scores.heads);
    if (in.dst) scores.dst = in.dst->expect("dst", compute, edges.num_dst, scores.heads);
    if (in.edge) scores.edge = in.edge->expect("edge", compute, edges.num_edges, scores.heads);
    args.width = in.x.extent(2);
    args.x = in.x.expect("x", in.x.dtype(), edges.num_src, scores.heads * args.width);
    args.stats = stats.expect("stats", compute, edges.num_dst, 2 * scores.heads);
    return args;
}

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
void attention_sum(const Edges& edges, const Attended& in, const Array& out, const Array& stats, int threads) {
    FusedArgs args = make_args(edges, in, stats);
    const std::int64_t heads = args.scores.heads, size = heads * args.width;
    args.out = out.expect("out", in.x.dtype(), edges.num_dst, size);
    const FusedTable& table = table_of(in.x.dtype());
    const auto bytes = static_cast<std::size_t>(table.scratch(heads, args.width));
    std::atomic<bool> failed{false};
    {
        const py::gil_scoped_release unlocked;
        run_destinations(threads, edges.colptr, edges.num_dst, size + 4 * heads, [&](std::int64_t first, std::int64_t last) {
            const std::unique_ptr<char[]> scratch(new (std::nothrow) char[bytes]);
            if (scratch) table.forward(args, first, last, scratch.get());
            else failed = true;
        });
    }
    if (failed) throw std::bad_alloc();
}

void attention_sum_backward(const Edges& edges, const Attended& in, const Array& grad, const Array& stats, const Array& by_edge,
                            const Array& by_dst, int threads) {
    FusedArgs args = make_args(edges, in, stats);
    const DType compute = compute_dtype(in.x.dtype());
    const std::int64_t heads = args.scores.heads, size = heads * args.width;
    args.grad = grad.expect("grad", in.x.dtype(), edges.num_dst, size);
    args.prob = by_edge.expect("by_edge", compute, 2, edges.num_edges * heads);
    args.scores.out = static_cast<char*>(args.prob) + edges.num_edges * heads * size_of(compute);
    args.scores.grad_dst = by_dst.expect("by_dst", compute, edges.num_dst, heads);
    const FusedTable& table = table_of(in.x.dtype());
    const py::gil_scoped_release unlocked;
    run_destinations(threads, edges.colptr, edges.num_dst, size + 4 * heads,
                     [&](std::int64_t first, std::int64_t last) { table.backward(args, first, last); });
}

}  // namespace

void bind_fused(py::module_& m) {
    using py::arg;
    py::class_<Attended>(m, "Attended", "x (S, H, F), and its score: leaky_relu(src[row[e]] + dst[d] + edge[e]); parts may be None.")
        .def(py::init<Array, std::optional<Array>, std::optional<Array>, std::optional<Array>, double>(), arg("x"), arg("src"),
             arg("dst"), arg("edge"), arg("slope"));
    m.def("attention_sum", &attention_sum, arg("edges"), arg("attended"), arg("out"), arg("stats"), arg("threads"),
          "out (D, H, F): sums of x weighted by the softmax of the scores over each destination's edges; "
          "stats (D, 2, H): the largest score, and one over the sum of exponentials.");
    m.def("attention_sum_backward", &attention_sum_backward, arg("edges"), arg("attended"), arg("grad"), arg("stats"),
          arg("by_edge"), arg("by_dst"), arg("threads"),
          "by_edge (2, E, H): probabilities, and gradients of the scores before leaky_relu; by_dst (D, H): their sums.");
}

}  // namespace gnnctl
