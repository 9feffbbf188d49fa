// The kernels for x86 processors with AVX-512 (F, VL, DQ, BW): 64-byte vectors.
#include "kernels.h"

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
#include "kernels_accumulate.h"
#include "kernels_aggregate.h"
#include "kernels_gradient.h"
#include "kernels_quantile.h"
#include "kernels_segment.h"
#include "kernels_dropout.h"

const KernelSet set{table_of<float>(), table_of<Bf16>(), table_of<F16>(), &dropout};
}  // namespace gnnctl::avx512

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
