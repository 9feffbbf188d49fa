// Binds what tests ask the shim: the order of threads, and what every block read and wrote.
#include "bind_shim.h"

#include <pybind11/stl.h>

#include "engine.h"

namespace py = pybind11;

namespace shim {
namespace {

void schedule(const std::string& name, std::uint64_t seed) {
    if (name == "forward") set_schedule(Schedule::forward, seed);
    else if (name == "reverse") set_schedule(Schedule::reverse, seed);
    else if (name == "random") set_schedule(Schedule::random, seed);
    else throw py::value_error("schedule: expected forward, reverse or random, got " + name);
}

// One dictionary a launch; loaded and stored: by block, bytes in accesses of 1, 2, 4, 8 and 16 bytes.
py::list taken_launches() {
    py::list found;
    for (const Launch& launch : launches()) {
        py::list loaded, stored;
        for (const Traffic& block : launch.traffic) {
            loaded.append(py::cast(std::vector<std::int64_t>(block.loaded, block.loaded + kSizes)));
            stored.append(py::cast(std::vector<std::int64_t>(block.stored, block.stored + kSizes)));
        }
        py::dict one;
        one["name"] = launch.name;
        one["blocks"] = launch.blocks;
        one["threads"] = launch.threads;
        one["loaded"] = loaded;
        one["stored"] = stored;
        found.append(one);
    }
    launches().clear();
    return found;
}

}  // namespace

void bind(py::module_& m) {
    m.def("schedule", &schedule, py::arg("name"), py::arg("seed") = 0);
    m.def("taken_launches", &taken_launches, "The launches since the last call.");
}

}  // namespace shim
