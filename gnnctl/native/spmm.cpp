// Binds the aggregations over destination-sorted edges.
#include <pybind11/pybind11.h>

#include "address.h"
#include "kernels.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

void check(std::int64_t num_dst, std::int64_t heads, std::int64_t width, Address colptr) {
    if (num_dst < 0 || heads < 1 || width < 0) throw py::value_error("num_dst, heads or width out of range");
    if (colptr == 0) throw py::value_error("colptr is missing");
}

// Releasing the GIL is safe: the kernels touch only the buffers, which the caller keeps alive and does not resize.
void run(SpmmKernel kernel, SpmmArgs args, std::int64_t num_dst, int threads) {
    const py::gil_scoped_release unlocked;
    if (args.width == 0) return;
    args.last_edge = args.colptr[num_dst];
    run_destinations(threads, args.colptr, num_dst, args.heads * args.width,
                     [&](std::int64_t first, std::int64_t last) { kernel(args, first, last); });
}

const KernelTable& table(bool is_double) { return is_double ? kernels_f64() : kernels_f32(); }

void spmm_sum(Address colptr, Address row, Address perm, Address x, Address weight, Address out, std::int64_t num_dst,
              std::int64_t heads, std::int64_t width, bool wide, bool is_double, bool mean, int threads) {
    check(num_dst, heads, width, colptr);
    SpmmArgs args;
    args.colptr = pointer<std::int64_t>(colptr);
    args.row = pointer(row);
    args.perm = pointer(perm);
    args.x = pointer(x);
    args.weight = pointer(weight);
    args.out = pointer(out);
    args.heads = heads;
    args.width = width;
    args.wide = wide;
    args.mean = mean;
    if (args.row == nullptr && args.weight != nullptr) throw py::value_error("a segment reduction takes no weight");
    run(table(is_double).sum, args, num_dst, threads);
}

void spmm_extremum(Address colptr, Address row, Address x, Address weight, Address out, Address arg,
                   std::int64_t num_dst, std::int64_t heads, std::int64_t width, bool wide, bool is_double,
                   bool minimum, int threads) {
    check(num_dst, heads, width, colptr);
    SpmmArgs args;
    args.colptr = pointer<std::int64_t>(colptr);
    args.row = pointer(row);
    args.x = pointer(x);
    args.weight = pointer(weight);
    args.out = pointer(out);
    args.arg = pointer<std::int32_t>(arg);
    args.heads = heads;
    args.width = width;
    args.wide = wide;
    args.minimum = minimum;
    if (args.row == nullptr && args.weight != nullptr) throw py::value_error("a segment reduction takes no weight");
    run(table(is_double).extremum, args, num_dst, threads);
}

void spmm_selected_sum(Address rowptr, Address col, Address perm, Address colptr, Address grad, Address arg,
                       Address weight, Address out, std::int64_t num_src, std::int64_t heads, std::int64_t width,
                       bool wide, bool is_double, int threads) {
    check(num_src, heads, width, rowptr);
    if (col == 0 || perm == 0 || colptr == 0 || arg == 0) throw py::value_error("the transposed view is incomplete");
    SpmmArgs args;
    args.colptr = pointer<std::int64_t>(rowptr);
    args.row = pointer(col);
    args.perm = pointer(perm);
    args.origin = pointer<std::int64_t>(colptr);
    args.x = pointer(grad);
    args.arg = pointer<std::int32_t>(arg);
    args.weight = pointer(weight);
    args.out = pointer(out);
    args.heads = heads;
    args.width = width;
    args.wide = wide;
    run(table(is_double).selected_sum, args, num_src, threads);
}

void sddmm(Address colptr, Address row, Address grad, Address x, Address arg, Address out, std::int64_t num_dst,
           std::int64_t heads, std::int64_t width, bool wide, bool is_double, bool mean, int threads) {
    check(num_dst, heads, width, colptr);
    SpmmArgs args;
    args.colptr = pointer<std::int64_t>(colptr);
    args.row = pointer(row);
    args.grad = pointer(grad);
    args.x = pointer(x);
    args.arg = pointer<std::int32_t>(arg);
    args.out = pointer(out);
    args.heads = heads;
    args.width = width;
    args.wide = wide;
    args.mean = mean;
    run(table(is_double).sddmm, args, num_dst, threads);
}

}  // namespace

void bind_spmm(py::module_& m) {
    using py::arg;
    m.def("kernels_name", &kernels_name, "The instruction set that the float32 kernels use.");
    m.def("spmm_sum", &spmm_sum, arg("colptr"), arg("row"), arg("perm"), arg("x"), arg("weight"), arg("out"),
          arg("num_dst"), arg("heads"), arg("width"), arg("wide"), arg("is_double"), arg("mean"), arg("threads"),
          "out[d] = sum or mean of weight[e] * x[row[e]] over d's edges; row 0 reduces x as segments.");
    m.def("spmm_extremum", &spmm_extremum, arg("colptr"), arg("row"), arg("x"), arg("weight"), arg("out"), arg("arg"),
          arg("num_dst"), arg("heads"), arg("width"), arg("wide"), arg("is_double"), arg("minimum"), arg("threads"),
          "out[d] = maximum or minimum of weight[e] * x[row[e]]; arg: rank of the edge within d, -1 without edges.");
    m.def("spmm_selected_sum", &spmm_selected_sum, arg("rowptr"), arg("col"), arg("perm"), arg("colptr"), arg("grad"),
          arg("arg"), arg("weight"), arg("out"), arg("num_src"), arg("heads"), arg("width"), arg("wide"),
          arg("is_double"), arg("threads"), "The gradient of spmm_extremum for x, over the transposed view.");
    m.def("sddmm", &sddmm, arg("colptr"), arg("row"), arg("grad"), arg("x"), arg("arg"), arg("out"), arg("num_dst"),
          arg("heads"), arg("width"), arg("wide"), arg("is_double"), arg("mean"), arg("threads"),
          "out[e, h] = dot(grad[d, h], x[row[e], h]): the gradient of the weights.");
}

}  // namespace gnnctl
