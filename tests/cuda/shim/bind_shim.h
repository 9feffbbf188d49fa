#pragma once

#include <pybind11/pybind11.h>

namespace shim {
void bind(pybind11::module_& m);
}
