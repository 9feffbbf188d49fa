// The matrix products for any processor.
#include "matmul.h"

#define GNNCTL_VECTOR_BYTES 16

namespace gnnctl::portable {
#include "kernels_vector.h"
#include "matmul_tile.h"
#include "matmul_kernels.h"

const MatmulTable matmul_f32 = matmul_table<float>(), matmul_f64 = matmul_table<double>();
}  // namespace gnnctl::portable
