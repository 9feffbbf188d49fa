// Attention-weighted sums for any processor.
#include "fused.h"

#define GNNCTL_VECTOR_BYTES 16

namespace gnnctl::portable {
#include "kernels_vector.h"
#include "kernels_softmax.h"
#include "fused_kernels.h"

const FusedSet fused{fused_table<float>(), fused_table<Bf16>(), fused_table<F16>()};
const FusedTable fused_f64 = fused_table<double>();
}  // namespace gnnctl::portable
