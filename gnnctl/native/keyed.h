// The keyed randomness of schemas/picks.md: which neighbours a node draws is a pure function of its key.
//
// Everything here is specified bit for bit, because another engine must be able to repeat it: a change is a new
// version of the contract.
#pragma once

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace gnnctl {

inline constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

inline std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

inline std::uint64_t absorb_mixed(std::uint64_t key, std::uint64_t mixed_word) { return mix(key ^ mixed_word); }
inline std::uint64_t premix(std::uint64_t word) { return mix(word + kGolden); }
inline std::uint64_t absorb(std::uint64_t key, std::uint64_t word) { return absorb_mixed(key, premix(word)); }

// Multiply-shift of all 64 random bits: the bias is below n / 2^64 at any degree.
inline std::uint64_t bounded(std::uint64_t random, std::uint64_t n) {
#if defined(_MSC_VER) && !defined(__clang__)
    return __umulh(random, n);
#else
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<wide>(random) * n) >> 64);
#endif
}

// Draws offsets into a neighbour list. Holds the scratch memory of the partial Fisher-Yates shuffle.
class Picker {
public:
    Picker() { std::iota(identity_, identity_ + kSmall, std::uint8_t{0}); }

    // The first `take` elements of the keyed permutation of 0..degree-1; take < degree.
    template <class Emit>
    void distinct(std::uint64_t key, std::uint64_t degree, std::uint64_t take, Emit&& emit) {
        if (degree <= 64)
            shuffle_small<64>(key, degree, take, emit);
        else if (degree <= kSmall)
            shuffle_small<kSmall>(key, degree, take, emit);
        else if (take <= kListed && degree < 0xFFFFFFFFULL)
            shuffle_listed(key, degree, take, emit);
        else
            shuffle_large(key, degree, take, emit);
    }

    template <class Emit>
    static void repeated(std::uint64_t key, std::uint64_t degree, std::uint64_t take, Emit&& emit) {
        for (std::uint64_t i = 0; i < take; ++i) emit(bounded(mix(key += kGolden), degree));
    }

private:
    static constexpr std::size_t kSmall = 256, kListed = 64, kLane = 16;

    template <std::size_t Size, class Emit>
    void shuffle_small(std::uint64_t key, std::uint64_t degree, std::uint64_t take, Emit& emit) {
        std::memcpy(small_, identity_, Size);
        for (std::uint64_t i = 0; i < take; ++i) {
            const std::uint64_t j = i + bounded(mix(key += kGolden), degree - i);
            emit(static_cast<std::uint64_t>(small_[j]));
            small_[j] = small_[i];
        }
    }

    // The array is the identity except at the few places earlier swaps wrote: those are kept in a list.
    template <class Emit>
    void shuffle_listed(std::uint64_t key, std::uint64_t degree, std::uint64_t take, Emit& emit) {
        std::size_t swaps = 0, padded = 0;
        for (std::uint64_t i = 0; i < take; ++i) {
            const auto at = static_cast<std::uint32_t>(i);
            const auto j = static_cast<std::uint32_t>(i + bounded(mix(key += kGolden), degree - i));
            std::uint32_t hit = 0;
            for (std::size_t m = 0; m < padded; ++m) hit |= (place_[m] == j) | (place_[m] == at);
            if (swaps == padded) {
                for (std::size_t m = padded; m < padded + kLane; ++m) place_[m] = 0xFFFFFFFFU;
                padded += kLane;
            }
            if (!hit) {
                emit(static_cast<std::uint64_t>(j));
                place_[swaps] = j;
                value_[swaps++] = at;
                continue;
            }
            std::uint32_t value_j = j, value_i = at;
            std::size_t slot = swaps;
            for (std::size_t m = 0; m < swaps; ++m) {
                if (place_[m] == j) {
                    value_j = value_[m];
                    slot = m;
                }
                if (place_[m] == at) value_i = value_[m];
            }
            emit(static_cast<std::uint64_t>(value_j));
            place_[slot] = j;
            value_[slot] = value_i;
            if (slot == swaps) ++swaps;
        }
    }

    // A standing identity array as long as the longest list drawn from so far; only what was touched is restored.
    template <class Emit>
    void shuffle_large(std::uint64_t key, std::uint64_t degree, std::uint64_t take, Emit& emit) {
        if (large_.size() < degree) {
            const std::size_t before = large_.size();
            large_.resize(degree);
            std::iota(large_.begin() + static_cast<std::ptrdiff_t>(before), large_.end(), std::uint64_t{before});
        }
        touched_.clear();
        for (std::uint64_t i = 0; i < take; ++i) {
            const std::uint64_t j = i + bounded(mix(key += kGolden), degree - i);
            emit(large_[j]);
            large_[j] = large_[i];
            touched_.push_back(j);
        }
        for (const std::uint64_t j : touched_) large_[j] = j;
    }

    alignas(64) std::uint8_t identity_[kSmall];
    alignas(64) std::uint8_t small_[kSmall];
    alignas(64) std::uint32_t place_[kListed + kLane];
    alignas(64) std::uint32_t value_[kListed + kLane];
    std::vector<std::uint64_t> large_, touched_;
};

}  // namespace gnnctl
