// The warp's matrix instructions on the CPU, after the fragment tables of the PTX ISA.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>
#include <type_traits>

#include "cuda_shim.h"

namespace gnnctl::cuda {

template <typename T>
T gift_of(const ::shim::Gifts& gifts, int lane) {
    T found;
    std::memcpy(&found, gifts[lane], sizeof(T));
    return found;
}

template <bool Transposed>
inline void load_matrices(unsigned (&into)[4], const void* row) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) ::shim::fail("a row of ldmatrix that is not aligned to 16 bytes");
    // The rows' contents are handed over, as read by the lane that named the address: then a race is seen.
    struct Row { unsigned short at[8]; } mine;
    for (int i = 0; i < 8; ++i) mine.at[i] = static_cast<const unsigned short*>(row)[i];
    const ::shim::Gifts& gifts = ::shim::meet(GNNCTL_SITE, 0xFFFFFFFFu, &mine, sizeof(mine));
    const int group = static_cast<int>(::shim::lane()) / 4, member = static_cast<int>(::shim::lane()) % 4;
    for (int matrix = 0; matrix < 4; ++matrix) {
        unsigned pair = 0;
        for (int i = 0; i < 2; ++i) {
            const int r = Transposed ? 2 * member + i : group, c = Transposed ? group : 2 * member + i;
            pair |= static_cast<unsigned>(gift_of<Row>(gifts, 8 * matrix + r).at[c]) << (16 * i);
        }
        into[matrix] = pair;
    }
}

struct MatrixGift {
    unsigned a[4], b[2];
};

// Row `group` and column pair `member` of the sums, from fragments of `Element`s, `Each` in a register.
template <int Inner, int Each, typename Element>
inline void multiply_fragments(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2], const void* site) {
    MatrixGift mine;
    std::memcpy(mine.a, a, sizeof(a));
    std::memcpy(mine.b, b, sizeof(b));
    const ::shim::Gifts& gifts = ::shim::meet(site, 0xFFFFFFFFu, &mine, sizeof(mine));
    const int group = static_cast<int>(::shim::lane()) / 4, member = static_cast<int>(::shim::lane()) % 4;
    constexpr int half = Inner / 2;  // of the inner axis, in one register of a row
    const auto element = [](unsigned word, int at) {
        if constexpr (Each == 1) {
            float value;
            std::memcpy(&value, &word, sizeof(value));
            return value;
        } else {
            const auto bits = static_cast<unsigned short>(word >> (16 * at));
            Element value;
            std::memcpy(static_cast<void*>(&value), &bits, sizeof(bits));
            if constexpr (std::is_same_v<Element, __half>) return __half2float(value);
            else return __bfloat162float(value);
        }
    };
    for (int i = 0; i < 4; ++i) {
        const int row = group + 8 * (i / 2), column = 2 * member + i % 2;
        float sum = sums[i];
        for (int k = 0; k < Inner; ++k) {
            const int lane_of_k = k % half / Each, at = k % half % Each, upper = k / half;
            const auto left = gift_of<MatrixGift>(gifts, 4 * (row % 8) + lane_of_k);
            const auto right = gift_of<MatrixGift>(gifts, 4 * column + lane_of_k);
            sum += element(left.a[2 * upper + row / 8], at) * element(right.b[upper], at);
        }
        sums[i] = sum;
    }
}

template <typename S>
inline void multiply_half(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    multiply_fragments<16, 2, S>(sums, a, b, GNNCTL_SITE);
}

inline void multiply_tf32(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    multiply_fragments<8, 1, float>(sums, a, b, GNNCTL_SITE);
}

// To nearest, ties away from zero: 13 bits of the fraction go.
inline unsigned to_tf32(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return value == value ? (bits + 0x1000u) & ~0x1FFFu : bits;
}

}  // namespace gnnctl::cuda
