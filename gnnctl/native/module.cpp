// Binds the extension's parts; each file owns its functions, their checks and their docstrings.
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace gnnctl {
void bind_arrays(py::module_& m);
void bind_mapping(py::module_& m);
void bind_machine(py::module_& m);
void bind_aggregate(py::module_& m);
void bind_segment(py::module_& m);
void bind_softmax(py::module_& m);
void bind_transpose(py::module_& m);
void bind_matmul(py::module_& m);
void bind_sampler(py::module_& m);
void bind_gather(py::module_& m);
void bind_csc(py::module_& m);
void bind_dropout(py::module_& m);
void bind_row_finder(py::module_& m);
void bind_number_nodes(py::module_& m);
void bind_list_order(py::module_& m);
void bind_negatives(py::module_& m);
void bind_stream_partition(py::module_& m);
void bind_hgt(py::module_& m);
void bind_typed_csc(py::module_& m);
void bind_walk(py::module_& m);
void bind_visits(py::module_& m);
void bind_push(py::module_& m);
void bind_induced(py::module_& m);
void bind_visible(py::module_& m);
}

PYBIND11_MODULE(_native, m) {
    m.doc() = "gnnctl's native engine: raw buffers in, raw buffers out, no torch.";
    gnnctl::bind_arrays(m);
    gnnctl::bind_mapping(m);
    gnnctl::bind_machine(m);
    gnnctl::bind_aggregate(m);
    gnnctl::bind_segment(m);
    gnnctl::bind_softmax(m);
    gnnctl::bind_transpose(m);
    gnnctl::bind_matmul(m);
    gnnctl::bind_sampler(m);
    gnnctl::bind_gather(m);
    gnnctl::bind_csc(m);
    gnnctl::bind_dropout(m);
    gnnctl::bind_row_finder(m);
    gnnctl::bind_number_nodes(m);
    gnnctl::bind_list_order(m);
    gnnctl::bind_negatives(m);
    gnnctl::bind_stream_partition(m);
    gnnctl::bind_hgt(m);
    gnnctl::bind_typed_csc(m);
    gnnctl::bind_walk(m);
    gnnctl::bind_visits(m);
    gnnctl::bind_push(m);
    gnnctl::bind_induced(m);
    gnnctl::bind_visible(m);
}
