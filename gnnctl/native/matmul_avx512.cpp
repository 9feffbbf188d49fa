// The matrix products for x86 processors with AVX-512 (F, VL, DQ, BW): 64-byte vectors.
#include "matmul.h"

#ifdef GNNCTL_X86
#define GNNCTL_VECTOR_BYTES 64
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")
#endif

namespace gnnctl::avx512 {
#include "kernels_vector.h"
#include "matmul_tile.h"
#include "matmul_kernels.h"

const MatmulTable matmul_f32 = matmul_table<float>(), matmul_f64 = matmul_table<double>();
}  // namespace gnnctl::avx512

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
