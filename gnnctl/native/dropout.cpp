// Binds dropout.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>

#include "arrays.h"
#include "worker_pool.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr double kSteps = 65536;
constexpr std::int64_t kBlocksOfPart = 16;

// Releasing the GIL is safe: the kernel touches only the buffers, which the caller keeps alive and does not resize.
void dropout(const Array& x, std::uint64_t key, double p, const Array& out, int threads) {
    if (!(p >= 0 && p < 1)) throw py::value_error("p: expected 0 to 1, without 1");
    DropoutArgs args;
    args.count = x.rows() * (x.dimensions() == 0 ? 1 : x.row_size());
    args.x = x.expect<const float>("x", DType::float32, x.rows(), x.row_size());
    args.out = out.expect<float>("out", DType::float32, x.rows(), x.row_size());
    args.key = key;
    args.threshold = static_cast<std::uint32_t>(std::min(std::nearbyint(p * kSteps), kSteps - 1));
    args.scale = static_cast<float>(kSteps / (kSteps - args.threshold));
    const std::int64_t blocks = (args.count + kDropoutBlock - 1) / kDropoutBlock;
    const Kernel<DropoutArgs> kernel = dropout_kernel();
    const py::gil_scoped_release unlocked;
    run_parts(threads, (blocks + kBlocksOfPart - 1) / kBlocksOfPart, [&](std::int64_t part) {
        kernel(args, part * kBlocksOfPart, std::min(blocks, (part + 1) * kBlocksOfPart));
    });
}

}  // namespace

void bind_dropout(py::module_& m) {
    using py::arg;
    m.def("dropout", &dropout, arg("x"), arg("key"), arg("p"), arg("out"), arg("threads"),
          "out = x / (1 - p) where the key's mask keeps it, else 0; p is rounded to 1 / 65,536. float32; shapes alike.");
}

}  // namespace gnnctl
