// The kernels for any processor: 16-byte vectors, which every 64-bit one has.
#include "kernels.h"

#define GNNCTL_VECTOR_BYTES 16

namespace gnnctl::portable {
#include "kernels_vector.h"
#include "kernels_softmax.h"
#include "kernels_accumulate.h"
#include "kernels_aggregate.h"
#include "kernels_gradient.h"
#include "kernels_quantile.h"
#include "kernels_segment.h"
#include "kernels_dropout.h"

const KernelSet set{table_of<float>(), table_of<Bf16>(), table_of<F16>(), &dropout};
const KernelTable f64 = table_of<double>();
}  // namespace gnnctl::portable
