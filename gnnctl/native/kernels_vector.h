// Vectors of the compiler (GCC and clang), inside the including file's namespace and instruction set.
// Include no standard header here: its inline functions would be emitted for that instruction set.

// A vector of `Bytes` bytes that may stand at any element's address; Bytes = 0 is one plain element.
template <typename T, int Bytes>
struct Vector {
    typedef T type __attribute__((vector_size(Bytes), aligned(sizeof(T)), may_alias));
    static constexpr int lanes = Bytes / static_cast<int>(sizeof(T));
};
template <typename T>
struct Vector<T, 0> {
    typedef T type;
    static constexpr int lanes = 1;
};
template <typename T, int Bytes>
using Vec = typename Vector<T, Bytes>::type;

template <typename T>
struct SameSizeInt {
    using type = std::int32_t;
};
template <>
struct SameSizeInt<double> {
    using type = std::int64_t;
};

template <typename To, typename From>
static inline To bits_as(const From& from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    __builtin_memcpy(&to, &from, sizeof(to));
    return to;
}

template <typename To, typename From, int Lanes>
static inline Vec<To, Lanes * static_cast<int>(sizeof(To))> converted(const Vec<From, Lanes * static_cast<int>(sizeof(From))>& from) {
    return __builtin_convertvector(from, Vec<To, Lanes * static_cast<int>(sizeof(To))>);
}

static inline Vec<std::uint32_t, GNNCTL_VECTOR_BYTES> widened(const Vec<std::uint16_t, GNNCTL_VECTOR_BYTES / 2>& half) {
#if GNNCTL_VECTOR_BYTES == 64 && !defined(__clang__)  // GCC would widen in halves
    typedef short Shorts __attribute__((vector_size(32)));
    typedef int Ints __attribute__((vector_size(64)));
    return bits_as<Vec<std::uint32_t, 64>>(__builtin_ia32_pmovzxwd512_mask(bits_as<Shorts>(half), Ints{}, static_cast<std::uint16_t>(-1)));
#else
    return converted<std::uint32_t, std::uint16_t, GNNCTL_VECTOR_BYTES / 4>(half);
#endif
}

// How elements of S stand in memory and what they are computed as; Bytes counts the computed vector.
template <typename S>
struct Storage {
    using Compute = S;
    template <int Bytes>
    static inline Vec<S, Bytes> load(const S* at) {
        return *reinterpret_cast<const Vec<S, Bytes>*>(at);
    }
    template <int Bytes>
    static inline void store(S* at, const Vec<S, Bytes>& value) {
        *reinterpret_cast<Vec<S, Bytes>*>(at) = value;
    }
};

// Sixteen-bit types: Format turns bits into float32 bits and back, on vectors of uint32 as on one.
template <typename S, typename Format>
struct HalfStorage {
    using Compute = float;
    template <int Bytes>
    static inline Vec<float, Bytes> load(const S* at) {
        if constexpr (Bytes == 0) {
            return bits_as<float>(Format::widen(static_cast<std::uint32_t>(at->bits)));
        } else {
            const auto half = *reinterpret_cast<const Vec<std::uint16_t, Bytes / 2>*>(at);
            if constexpr (Bytes == GNNCTL_VECTOR_BYTES) return bits_as<Vec<float, Bytes>>(Format::widen(widened(half)));
            else return bits_as<Vec<float, Bytes>>(Format::widen(converted<std::uint32_t, std::uint16_t, Bytes / 4>(half)));
        }
    }
    template <int Bytes>
    static inline void store(S* at, const Vec<float, Bytes>& value) {
        if constexpr (Bytes == 0) {
            at->bits = static_cast<std::uint16_t>(Format::narrow(bits_as<std::uint32_t>(value)));
        } else {
            const auto narrow = Format::narrow(bits_as<Vec<std::uint32_t, Bytes>>(value));
            *reinterpret_cast<Vec<std::uint16_t, Bytes / 2>*>(at) = converted<std::uint16_t, std::uint32_t, Bytes / 4>(narrow);
        }
    }
};

struct BrainFormat {
    template <typename U>
    static inline U widen(U bits) {
        return bits << 16;
    }
    // To the nearest, ties to even; a NaN stays one.
    template <typename U>
    static inline U narrow(U bits) {
        const U rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        return (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16) | 0x40u : rounded;
    }
};

struct HalfFormat {
    template <typename U>
    static inline U widen(U bits) {
        const U sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7FFFu) << 13;
        const U scaled = times(magnitude, 0x77800000u);  // 2^112: the distance between the exponents' offsets
        return sign | (magnitude >= 0x0F800000u ? scaled | 0x7F800000u : scaled);
    }
    template <typename U>
    static inline U narrow(U bits) {
        const U sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
        const U tiny = plus(magnitude, 0x3F000000u) - 0x3F000000u;  // adding a half leaves the denormal's bits, rounded
        const U usual = (magnitude - (112u << 23) + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
        const U special = magnitude > 0x7F800000u ? (magnitude & 0u) + 0x7E00u : (magnitude & 0u) + 0x7C00u;
        const U finite = magnitude < 0x38800000u ? tiny : usual;
        return sign | (magnitude >= 0x47800000u ? special : finite);
    }

private:
    static inline std::uint32_t times(std::uint32_t a, std::uint32_t b) {
        return bits_as<std::uint32_t>(bits_as<float>(a) * bits_as<float>(b));
    }
    static inline std::uint32_t plus(std::uint32_t a, std::uint32_t b) {
        return bits_as<std::uint32_t>(bits_as<float>(a) + bits_as<float>(b));
    }
    template <typename U>
    static inline U times(const U& a, std::uint32_t b) {
        return bits_as<U>(bits_as<Vec<float, sizeof(U)>>(a) * bits_as<float>(b));
    }
    template <typename U>
    static inline U plus(const U& a, std::uint32_t b) {
        return bits_as<U>(bits_as<Vec<float, sizeof(U)>>(a) + bits_as<float>(b));
    }
};

template <>
struct Storage<Bf16> : HalfStorage<Bf16, BrainFormat> {};
template <>
struct Storage<F16> : HalfStorage<F16, HalfFormat> {};

template <typename S>
using Compute = typename Storage<S>::Compute;

template <typename S, int Bytes>
static inline Vec<Compute<S>, Bytes> load(const S* at) {
    return Storage<S>::template load<Bytes>(at);
}
template <typename S, int Bytes>
static inline void store(S* at, const Vec<Compute<S>, Bytes>& value) {
    Storage<S>::template store<Bytes>(at, value);
}

// Stores past the caches where that is asked for and possible; finish_streaming() before others read.
template <typename S, int Bytes>
static inline void put(bool streaming, S* at, const Vec<Compute<S>, Bytes>& value) {
#ifdef GNNCTL_X86
    if constexpr (sizeof(S) == sizeof(float) && (Bytes == 64 || Bytes == 32)) {
        if (streaming && reinterpret_cast<std::uintptr_t>(at) % Bytes == 0) {
            typedef float Floats __attribute__((vector_size(Bytes)));
            const auto floats = bits_as<Floats>(value);
#ifdef __clang__
            __builtin_nontemporal_store(floats, reinterpret_cast<Floats*>(at));
#elif GNNCTL_VECTOR_BYTES == 64
            if constexpr (Bytes == 64) __builtin_ia32_movntps512(reinterpret_cast<float*>(at), floats);
            else __builtin_ia32_movntps256(reinterpret_cast<float*>(at), floats);
#elif GNNCTL_VECTOR_BYTES == 32
            __builtin_ia32_movntps256(reinterpret_cast<float*>(at), floats);
#endif
            return;
        }
    }
#endif
    (void)streaming;
    store<S, Bytes>(at, value);
}
static inline void finish_streaming(bool streaming) {
#ifdef GNNCTL_X86
    if (streaming) __builtin_ia32_sfence();
#else
    (void)streaming;
#endif
}

// Of sorted rows 0..count - 1, the quantile q lies `share` of the way from `low` to `high`: at q * (count - 1).
struct Between {
    std::int64_t low, high;
    double share;
};
static inline Between between_of(double q, Interpolation interpolation, std::int64_t count) {
    const double point = q * static_cast<double>(count > 0 ? count - 1 : 0);
    const auto low = static_cast<std::int64_t>(point);
    const double share = point - static_cast<double>(low);
    const std::int64_t high = share > 0 ? low + 1 : low;
    switch (interpolation) {
        case kLower: return {low, low, 0};
        case kHigher: return {high, high, 0};
        case kNearest: return share < 0.5 || (share == 0.5 && low % 2 == 0) ? Between{low, low, 0} : Between{high, high, 0};
        case kMidpoint: return {low, high, high > low ? 0.5 : 0.0};
        default: return {low, high, share};
    }
}

static inline std::int64_t index_at(const void* index, bool wide, std::int64_t e) {
    return wide ? static_cast<const std::int64_t*>(index)[e] : static_cast<const std::int32_t*>(index)[e];
}
static inline std::int64_t source_of(const Edges& edges, std::int64_t e) {
    return edges.row == nullptr ? e : index_at(edges.row, edges.wide, e);
}

// Calls Op::range<Bytes> with the widest vectors that the instruction set has and a row of `width` fills.
template <typename Op, typename T, typename Args>
static inline void by_width(const Args& args, std::int64_t width, std::int64_t first, std::int64_t last) {
    constexpr std::int64_t lanes = GNNCTL_VECTOR_BYTES / sizeof(T), least = 16 / sizeof(T);
    if (width >= lanes) return Op::template range<GNNCTL_VECTOR_BYTES>(args, first, last);
    if constexpr (lanes > least) {
        if (width >= least) return Op::template range<16>(args, first, last);
    }
    Op::template range<0>(args, first, last);
}
