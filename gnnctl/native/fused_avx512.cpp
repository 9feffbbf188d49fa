// Attention-weighted sums for x86 processors with AVX-512 (F, VL, DQ, BW): 64-byte vectors.
#include "fused.h"

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
#include "kernels_softmax.h"
#include "fused_kernels.h"

const FusedSet fused{fused_table<float>(), fused_table<Bf16>(), fused_table<F16>()};
}  // namespace gnnctl::avx512

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
