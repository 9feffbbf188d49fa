// Picks the kernels of the best instruction set that this processor has; GNNCTL_ISA=portable|avx2 asks for less.
#include "kernels.h"

#include <cstdlib>
#include <cstring>

namespace gnnctl {
namespace {

struct Choice {
    const KernelSet* set;
    const char* name;
};

Choice choose() {
#ifdef GNNCTL_X86
    const char* wanted = std::getenv("GNNCTL_ISA");
    const bool any = wanted == nullptr || *wanted == '\0';
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    if (has_avx512 && (any || std::strcmp(wanted, "avx512") == 0)) return {&avx512::set, "avx512"};
    if (has_avx2 && (any || std::strcmp(wanted, "portable") != 0)) return {&avx2::set, "avx2"};
#endif
    return {&portable::set, "portable"};
}

const Choice& chosen() {
    static const Choice choice = choose();
    return choice;
}

}  // namespace

const KernelTable& kernels_for(DType dtype) {
    switch (dtype) {
        case DType::float64: return portable::f64;
        case DType::bfloat16: return chosen().set->bf16;
        case DType::float16: return chosen().set->f16;
        default: return chosen().set->f32;
    }
}
const char* kernels_name() { return chosen().name; }
Kernel<DropoutArgs> dropout_kernel() { return chosen().set->dropout; }

}  // namespace gnnctl
