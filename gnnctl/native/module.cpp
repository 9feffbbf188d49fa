// Binds the extension's parts; each file owns its functions, their checks and their docstrings.
#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace gnnctl {
void bind_mapping(py::module_& m);
}

PYBIND11_MODULE(_native, m) {
    m.doc() = "gnnctl's native engine: raw buffers in, raw buffers out, no torch.";
    gnnctl::bind_mapping(m);
}
