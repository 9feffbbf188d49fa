// Binds the softmax over each destination's edges and the additive attention built on it.
#include <pybind11/pybind11.h>

#include "address.h"
#include "kernels.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
void run(AttentionKernel kernel, const AttentionArgs& args, std::int64_t num_dst, int threads) {
    if (args.colptr == nullptr || num_dst < 0 || args.heads < 1) throw py::value_error("arguments out of range");
    if (args.src != nullptr && args.row == nullptr) throw py::value_error("source scores need row");
    const py::gil_scoped_release unlocked;
    run_destinations(threads, args.colptr, num_dst, args.heads * 4,
                     [&](std::int64_t first, std::int64_t last) { kernel(args, first, last); });
}

void attention(Address colptr, Address row, Address src, Address dst, Address edge, Address out, std::int64_t num_dst,
               std::int64_t heads, double slope, bool wide, bool is_double, int threads) {
    AttentionArgs args;
    args.colptr = pointer<std::int64_t>(colptr);
    args.row = pointer(row);
    args.src = pointer(src);
    args.dst = pointer(dst);
    args.edge = pointer(edge);
    args.out = pointer(out);
    args.heads = heads;
    args.slope = slope;
    args.wide = wide;
    run(is_double ? kernels_f64().attention : kernels_f32().attention, args, num_dst, threads);
}

void attention_backward(Address colptr, Address row, Address src, Address dst, Address edge, Address prob,
                        Address grad, Address out, Address grad_dst, std::int64_t num_dst, std::int64_t heads,
                        double slope, bool wide, bool is_double, int threads) {
    AttentionArgs args;
    args.colptr = pointer<std::int64_t>(colptr);
    args.row = pointer(row);
    args.src = pointer(src);
    args.dst = pointer(dst);
    args.edge = pointer(edge);
    args.prob = pointer(prob);
    args.grad = pointer(grad);
    args.out = pointer(out);
    args.grad_dst = pointer(grad_dst);
    args.heads = heads;
    args.slope = slope;
    args.wide = wide;
    run(is_double ? kernels_f64().attention_backward : kernels_f32().attention_backward, args, num_dst, threads);
}

}  // namespace

void bind_softmax(py::module_& m) {
    using py::arg;
    m.def("attention", &attention, arg("colptr"), arg("row"), arg("src"), arg("dst"), arg("edge"), arg("out"),
          arg("num_dst"), arg("heads"), arg("slope"), arg("wide"), arg("is_double"), arg("threads"),
          "out[e] = softmax over d's edges of leaky_relu(src[row[e]] + dst[d] + edge[e]); each part may be 0.");
    m.def("attention_backward", &attention_backward, arg("colptr"), arg("row"), arg("src"), arg("dst"), arg("edge"),
          arg("prob"), arg("grad"), arg("out"), arg("grad_dst"), arg("num_dst"), arg("heads"), arg("slope"),
          arg("wide"), arg("is_double"), arg("threads"),
          "out[e]: gradient of the score before leaky_relu; grad_dst: its sum per destination.");
}

}  // namespace gnnctl
