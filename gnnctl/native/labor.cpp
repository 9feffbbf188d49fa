// Every in-edge of a node is looked at, so hashing its sources is what a shared draw costs: compiled once per
// instruction set where the compiler can choose among them when the program starts.
#include "labor.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define GNNCTL_CLONES __attribute__((target_clones("arch=x86-64-v4", "default")))
#else
#define GNNCTL_CLONES
#endif

namespace gnnctl {

GNNCTL_CLONES void source_numbers(const std::int32_t* row, std::int64_t count, std::uint64_t key, std::uint64_t* out) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = absorb(key, static_cast<std::uint64_t>(row[i]));
}
GNNCTL_CLONES void source_numbers(const std::int64_t* row, std::int64_t count, std::uint64_t key, std::uint64_t* out) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = absorb(key, static_cast<std::uint64_t>(row[i]));
}

}  // namespace gnnctl
