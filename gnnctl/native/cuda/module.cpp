// The extension of CUDA kernels: addresses in, no torch and no driver needed to import it. Everything is local to the
// module, so that tests can load the same bindings over kernels that run on the CPU beside it.
#include "bind.h"

#ifdef GNNCTL_EMULATED
#include "bind_shim.h"
#endif

namespace gnnctl::cuda {

DeviceEdges::DeviceEdges(const Array& colptr, const std::optional<Array>& row, const std::optional<Array>& perm, std::int64_t sources) : num_src(sources) {
    if (colptr.dimensions() != 1 || colptr.rows() < 1) throw py::value_error("colptr: expected (D + 1,)");
    if (sources < 0) throw py::value_error("num_src: negative");
    csc.num_dst = colptr.rows() - 1;
    csc.colptr = colptr.expect<const std::int64_t>("colptr", DType::int64, csc.num_dst + 1, 1);
    csc.num_edges = row ? row->rows() : sources;
    held.push_back(colptr);
    for (const std::optional<Array>* indices : {&row, &perm})
        if (*indices) held.push_back(**indices);
    const Array* kind = row ? &*row : perm ? &*perm : nullptr;
    if (kind == nullptr) return;
    if (kind->dtype() != DType::int32 && kind->dtype() != DType::int64) throw py::type_error("row: expected int32 or int64");
    csc.wide = kind->dtype() == DType::int64;
    if (row) csc.row = row->expect("row", kind->dtype(), csc.num_edges, 1);
    if (perm) csc.perm = perm->expect("perm", kind->dtype(), csc.num_edges, 1);
}

namespace {

Place make_place(int device, Address stream, const py::function& scratch) {
    Place place;
    place.device = device;
    place.stream = pointer(stream);
    place.scratch = [scratch](std::size_t bytes) { return pointer(scratch(bytes).cast<Address>()); };
    return place;
}

}  // namespace
}  // namespace gnnctl::cuda

PYBIND11_MODULE(GNNCTL_CUDA_MODULE, m) {
    using namespace gnnctl;
    using namespace gnnctl::cuda;
    using py::arg;
    m.doc() = "gnnctl's CUDA kernels: addresses of device memory and a stream in, no torch.";
    py::class_<Array>(m, "Array", py::module_local())
        .def(py::init<py::object, Address, int, std::vector<std::int64_t>>(), arg("owner"), arg("address"), arg("dtype"), arg("shape"));
    py::class_<Place>(m, "Place", py::module_local(), "A device, a stream's handle, and bytes -> address of memory for the kernels' own use.")
        .def(py::init(&make_place), arg("device"), arg("stream"), arg("scratch"));
    py::class_<DeviceEdges>(m, "Edges", py::module_local())
        .def(py::init<const Array&, std::optional<Array>, std::optional<Array>, std::int64_t>(), arg("colptr"), arg("row").none(true), arg("perm").none(true), arg("num_src"));
    bind_aggregate(m);
    bind_attention(m);
    bind_matmul(m);
#ifdef GNNCTL_EMULATED
    shim::bind(m);
#endif
}
