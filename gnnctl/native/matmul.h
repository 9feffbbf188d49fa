// Products of many small matrices: what a group is, and the kernels, which are compiled once per instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.h"

namespace gnnctl {

// One product of row-major matrices, with rows and columns of no gaps.
struct MatmulGroup {
    const void* a = nullptr;     // (rows, k)
    const void* b = nullptr;     // (k, m); product_transposed: (m, k); outer: (rows, m)
    const void* bias = nullptr;  // (m,) or null
    void* c = nullptr;           // (rows, m); outer: (k, m)
    std::int64_t rows = 0;
    std::int64_t k = 0;
    std::int64_t m = 0;
    bool transposed = false;
};

// The part of one group that a call computes: rows [first, last) of c. outer adds up rows [begin, end) of a and b.
struct MatmulPart {
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::int64_t begin = 0;
    std::int64_t end = 0;
    void* scratch = nullptr;
    const void* next_b = nullptr;  // what the next call reads, to be fetched meanwhile
};

struct MatmulTable {
    void (*product)(const MatmulGroup&, const MatmulPart&);  // c = a b + bias
    void (*outer)(const MatmulGroup&, const MatmulPart&);    // c = a' b
    std::int64_t (*scratch)(std::int64_t k, std::int64_t m); // bytes that either call needs
};

// Every element of a result is summed in an order that depends on the shapes alone. Both release no lock and may throw
// std::bad_alloc before any work. dtype: float32 or float64.
void matmul_product(DType dtype, const std::vector<MatmulGroup>& groups, int threads);
void matmul_outer(DType dtype, const std::vector<MatmulGroup>& groups, int threads);

namespace portable { extern const MatmulTable matmul_f32, matmul_f64; }
#ifdef GNNCTL_X86
namespace avx2 { extern const MatmulTable matmul_f32, matmul_f64; }
namespace avx512 { extern const MatmulTable matmul_f32, matmul_f64; }
#endif

}  // namespace gnnctl
