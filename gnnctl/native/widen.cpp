#include "widen.h"

#include <bit>
#include <cstring>

#include "kernels.h"

// A product and a sum, never fused: every instruction set gives the same bits.
#ifdef __clang__
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

namespace gnnctl {
namespace {

namespace plain {
#include "widen_loops.h"
}

#ifdef GNNCTL_X86
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
namespace vectors {
#include "widen_loops.h"
}
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

bool has_avx2() { return std::strcmp(kernels_name(), "portable") != 0; }

Widen chosen([[maybe_unused]] Widen with_vectors, Widen without) {
#ifdef GNNCTL_X86
    if (has_avx2()) return with_vectors;
#endif
    return without;
}

}  // namespace

#ifndef GNNCTL_X86
namespace {
namespace vectors = plain;
}
#endif

Widen widen_float16() { return chosen(vectors::float16, plain::float16); }
Widen widen_bfloat16() { return chosen(vectors::bfloat16, plain::bfloat16); }
Widen widen_int8() { return chosen(vectors::int8, plain::int8); }

}  // namespace gnnctl
