// Several neighbouring elements at once: loaded in words of up to 16 bytes, widened to float32, rounded when stored.
#pragma once

#include <cstring>
#include <type_traits>

#include "device.cuh"

namespace gnnctl::cuda {

template <typename S>
struct Stored {
    static constexpr Scalar scalar = std::is_same_v<S, float> ? Scalar::float32 : std::is_same_v<S, __half> ? Scalar::float16 : Scalar::bfloat16;
};

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float widen(__half value) { return __half2float(value); }

template <typename S>
__device__ __forceinline__ S narrow(float value) {
    if constexpr (std::is_same_v<S, float>) return value;
    else if constexpr (std::is_same_v<S, __half>) return __float2half_rn(value);
    else return __float2bfloat16_rn(value);
}

template <int Bytes>
struct WordOf { using type = uint4; };
template <>
struct WordOf<8> { using type = uint2; };
template <>
struct WordOf<4> { using type = unsigned int; };
template <>
struct WordOf<2> { using type = unsigned short; };

// N elements as they are stored; kept so until they are used, for half precision takes half of the registers.
template <typename S, int N>
struct Pack {
    static constexpr int bytes = N * static_cast<int>(sizeof(S));
    using Word = typename WordOf<bytes>::type;
    static constexpr int words = bytes / static_cast<int>(sizeof(Word));

    S at[N];

    __device__ __forceinline__ float operator[](int i) const { return widen(at[i]); }
};

// From memory that nothing writes while the kernel runs, aligned to the word.
template <int N, typename S>
__device__ __forceinline__ Pack<S, N> load(const S* from) {
    using P = Pack<S, N>;
    P found;
    typename P::Word words[P::words];
#pragma unroll
    for (int i = 0; i < P::words; ++i) words[i] = __ldg(reinterpret_cast<const typename P::Word*>(from) + i);
    memcpy(&found, words, sizeof(found));
    return found;
}

template <int N, typename S>
__device__ __forceinline__ void store(S* to, const float (&values)[N]) {
    using P = Pack<S, N>;
    P pack;
#pragma unroll
    for (int i = 0; i < N; ++i) pack.at[i] = narrow<S>(values[i]);
    typename P::Word words[P::words];
    memcpy(words, &pack, sizeof(pack));
#pragma unroll
    for (int i = 0; i < P::words; ++i) put(reinterpret_cast<typename P::Word*>(to) + i, words[i]);
}

template <int N>
__device__ __forceinline__ void store(std::int32_t* to, const std::int32_t (&values)[N]) {
    using Word = typename WordOf<4 * N>::type;
    constexpr int count = 4 * N / static_cast<int>(sizeof(Word));
    Word words[count];
    memcpy(words, values, sizeof(values));
#pragma unroll
    for (int i = 0; i < count; ++i) put(reinterpret_cast<Word*>(to) + i, words[i]);
}

__device__ __forceinline__ Index index_at(const void* indices, bool wide, Index i) {
    return wide ? static_cast<Index>(__ldg(static_cast<const long long*>(indices) + i))
                : static_cast<Index>(__ldg(static_cast<const int*>(indices) + i));
}

__device__ __forceinline__ Index colptr_at(const std::int64_t* colptr, Index d) {
    return static_cast<Index>(__ldg(reinterpret_cast<const long long*>(colptr) + d));
}

__device__ __forceinline__ float factor_at(const Factors& factors, Index edge, Index head) {
    const Index i = edge * factors.heads + head;
    if (factors.dtype == Scalar::float32) return __ldg(static_cast<const float*>(factors.at) + i);
    if (factors.dtype == Scalar::bfloat16) return load<1>(static_cast<const __nv_bfloat16*>(factors.at) + i)[0];
    return load<1>(static_cast<const __half*>(factors.at) + i)[0];
}

// Elements in 16 bytes, and whether rows of `width` of them can be read so, each word of one head.
template <typename S>
constexpr int kFull = 16 / static_cast<int>(sizeof(S));

template <typename S, typename... Pointers>
bool fits(Index width, Index heads, Pointers... pointers) {
    return width % (kFull<S> * heads) == 0 && (aligned(pointers, 16) && ...);
}

// Calls work.template operator()<S>() for the type that `scalar` names. Tests build fewer.
template <typename Work>
void with_scalar(Scalar scalar, const Work& work) {
    if (scalar == Scalar::float32) return work.template operator()<float>();
#ifndef GNNCTL_ONLY_FLOAT32
    if (scalar == Scalar::bfloat16) return work.template operator()<__nv_bfloat16>();
    return work.template operator()<__half>();
#endif
}

}  // namespace gnnctl::cuda
