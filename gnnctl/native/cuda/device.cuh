// The seams between a kernel and what runs it (a GPU, or tests/cuda/shim on the CPU): headers, shared memory, stores,
// which the shim counts, and launches. Everything else in these folders is plain CUDA.
#pragma once

#include "arguments.h"

#ifdef GNNCTL_EMULATED
#include "cuda_shim.h"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#define GNNCTL_SHARED(type, name, count) __shared__ type name[count]
#endif

namespace gnnctl::cuda {

using Index = std::int64_t;

#ifdef GNNCTL_EMULATED

template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), Index blocks, int threads, const Place&, const Arguments&... arguments) {
    if (blocks > 0) shim::launch(name, blocks, threads, [&] { kernel(arguments...); });
}

#else

inline void check(cudaError_t status, const char* name) {
    if (status != cudaSuccess) throw std::runtime_error(std::string(name) + " on CUDA: " + cudaGetErrorString(status));
}

// Nothing to do is no error: a grid of no blocks would be. Arguments travel by value in the launch itself.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), Index blocks, int threads, const Place& place, const Arguments&... arguments) {
    if (blocks <= 0) return;
    if (blocks > 0x7FFFFFFF) throw std::runtime_error(std::string(name) + " on CUDA: too large for one launch");
    check(cudaSetDevice(place.device), name);
    kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(threads), 0, static_cast<cudaStream_t>(place.stream)>>>(arguments...);
    check(cudaGetLastError(), name);
}

template <typename T>
__device__ __forceinline__ void put(T* to, T value) { *to = value; }

#endif

template <typename T>
T* scratch(const Place& place, Index count) {
    return static_cast<T*>(place.scratch(static_cast<std::size_t>(count) * sizeof(T)));
}

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }

inline bool aligned(const void* pointer, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0; }

__device__ __forceinline__ Index global_thread() { return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace gnnctl::cuda
