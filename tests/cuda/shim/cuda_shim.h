// What the kernels use of CUDA, for a C++ compiler: the types and conversions are the toolkit's own host headers, the
// rest is done here or by the engine.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <vector_types.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine.h"

// The toolkit's words for a compiler of its own.
#undef __global__
#undef __device__
#undef __host__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (::shim::thread_index)
#define blockIdx (::shim::block_index)
#define blockDim (::shim::block_size)
#define gridDim (::shim::grid_size)

#define GNNCTL_SHARED(type, name, count)   \
    static const char name##_site = 0;     \
    type* const name = static_cast<type*>(::shim::shared(&name##_site, sizeof(type) * (count), alignof(type) > 16 ? alignof(type) : 16))

#define GNNCTL_SITE ([]() -> const void* { static const char site = 0; return &site; }())
#define __syncthreads() ::shim::barrier(GNNCTL_SITE)
#define __syncwarp() ((void)::shim::meet(GNNCTL_SITE, 0xFFFFFFFFu, "", 1))
#define __shfl_xor_sync(mask, value, lanes) ::shim::shuffle_xor(GNNCTL_SITE, mask, value, lanes)

namespace shim {

template <typename T>
T shuffle_xor(const void* site, unsigned mask, T value, int lanes) {
    const Gifts& gifts = meet(site, mask, &value, sizeof(T));
    T found;
    std::memcpy(&found, gifts[(lane() ^ static_cast<unsigned>(lanes)) % kWarp], sizeof(T));
    return found;
}

template <typename T>
void check_address(const T* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % sizeof(T) != 0) fail("an access of " + std::to_string(sizeof(T)) + " bytes that is not aligned to them");
}

}  // namespace shim

template <typename T>
inline T __ldg(const T* address) {
    ::shim::check_address(address);
    ::shim::count_load(sizeof(T));
    return *address;
}

template <typename T>
inline void put(T* address, T value) {
    ::shim::check_address(address);
    ::shim::count_store(sizeof(T));
    *address = value;
}

inline int __ffs(int value) { return __builtin_ffs(value); }
