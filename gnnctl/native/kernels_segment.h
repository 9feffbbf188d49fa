// Reductions over segments of rows that need more than one look at them.

// The natural logarithm of finite values of at least 2^-126; about one unit in the last place of error (Cephes).
template <int Bytes>
static inline Vec<float, Bytes> logarithm(const Vec<float, Bytes>& x) {
    using Value = Vec<float, Bytes>;
    using Bits = Vec<std::int32_t, Bytes>;
    const Bits bits = bits_as<Bits>(x);
    // The mantissa is brought into [sqrt(1/2), sqrt(2)).
    const Bits exponent = (bits - 0x3F3504F3) >> 23;
    const Value m = bits_as<Value>(bits - (exponent << 23)) - 1.0f;
    Value e;
    if constexpr (Bytes == 0) e = static_cast<float>(exponent);
    else e = __builtin_convertvector(exponent, Value);
    Value p = m * 7.0376836292e-2f - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * m * m - e * 2.12194440e-4f - m * m * 0.5f;
    return e * 0.693359375f + (m + p);
}
template <int Bytes>
static inline Vec<double, Bytes> logarithm(Vec<double, Bytes> x) {
    if constexpr (Bytes == 0) {
        return __builtin_log(x);
    } else {
        for (int lane = 0; lane < Vector<double, Bytes>::lanes; ++lane) x[lane] = __builtin_log(x[lane]);
        return x;
    }
}

// Calls Op::segment<Bytes> for every destination and every register of its features.
template <typename S, typename Op>
struct Segments {
    template <int Bytes, typename Args>
    static void range(const Args& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<Compute<S>, Bytes>::lanes;
        const std::int64_t slots = (a.width + lanes - 1) / lanes;
        for (std::int64_t d = first; d < last; ++d)
            for (std::int64_t s = 0; s < slots; ++s)
                Op::template segment<Bytes>(a, a.edges.colptr[d], a.edges.colptr[d + 1], d * a.width, slot_at<lanes>(s, a.width).offset);
    }
};

// out[d] = log sum exp x[e], with the largest taken out first; minus infinity without edges.
template <typename S>
struct LogSumExp {
    using T = Compute<S>;
    template <int Bytes>
    static void segment(const SegmentArgs& a, std::int64_t begin, std::int64_t end, std::int64_t row, std::int64_t f) {
        using Value = Vec<T, Bytes>;
        const S* x = static_cast<const S*>(a.x) + f;
        const T infinity = static_cast<T>(__builtin_inf());
        Value most = Value{} - infinity, total = {};
        for (std::int64_t e = begin; e < end; ++e) {
            const Value value = load<S, Bytes>(x + e * a.width);
            most = value > most ? value : most;
        }
        const Value shift = most == infinity ? Value{} : (most == -infinity ? Value{} : most);
        for (std::int64_t e = begin; e < end; ++e) {
            const Value value = load<S, Bytes>(x + e * a.width);
            total += value == -infinity ? Value{} : exponential<Bytes>(value - shift);  // which never reaches zero
        }
        const Value found = shift + logarithm<Bytes>(total < T(1) ? Value{} + T(1) : total);
        const Value known = total != total ? total : found;  // a NaN
        store<S, Bytes>(static_cast<S*>(a.out) + row + f, most == infinity ? most : (most == -infinity ? (total != total ? total : most) : known));
    }
};

// out[e] = grad[d] * exp(x[e] - result[d]).
template <typename S>
struct LogSumExpGradient {
    using T = Compute<S>;
    template <int Bytes>
    static void segment(const SegmentArgs& a, std::int64_t begin, std::int64_t end, std::int64_t row, std::int64_t f) {
        using Value = Vec<T, Bytes>;
        const S* x = static_cast<const S*>(a.x) + f;
        S* out = static_cast<S*>(a.out) + f;
        const T infinity = static_cast<T>(__builtin_inf());
        const Value result = load<S, Bytes>(static_cast<const S*>(a.result) + row + f);
        const Value grad = load<S, Bytes>(static_cast<const S*>(a.grad) + row + f);
        for (std::int64_t e = begin; e < end; ++e) {
            const Value value = load<S, Bytes>(x + e * a.width);
            const Value share = value == -infinity ? Value{} : exponential<Bytes>(value - result);
            store<S, Bytes>(out + e * a.width, grad * share);
        }
    }
};

// out[e] = grad[d] * product of the others: of those before, written on the way down, times those after. So zeros need
// no care.
template <typename T>
struct ProductGradient {
    template <int Bytes>
    static void segment(const SegmentArgs& a, std::int64_t begin, std::int64_t end, std::int64_t row, std::int64_t f) {
        const T* x = static_cast<const T*>(a.x) + f;
        T* out = static_cast<T*>(a.out) + f;
        Vec<T, Bytes> before = Vec<T, Bytes>{} + T(1), after = load<T, Bytes>(static_cast<const T*>(a.grad) + row + f);
        for (std::int64_t e = begin; e < end; ++e) {
            store<T, Bytes>(out + e * a.width, before);
            before *= load<T, Bytes>(x + e * a.width);
        }
        for (std::int64_t e = end; e-- > begin;) {
            store<T, Bytes>(out + e * a.width, load<T, Bytes>(out + e * a.width) * after);
            after *= load<T, Bytes>(x + e * a.width);
        }
    }
};

template <typename S, typename T, template <typename> class Op>
static void over_segments(const SegmentArgs& a, std::int64_t first, std::int64_t last) {
    by_width<Segments<S, Op<S>>, T>(a, a.width, first, last);
}

template <typename S>
static constexpr KernelTable table_of() {
    using T = Compute<S>;
    return {aggregate<S>, spread<S>, fold<S>, dots<S>, attention<T>, attention_backward<T>,
            over_segments<S, T, LogSumExp>, over_segments<S, T, LogSumExpGradient>,
            over_segments<T, T, ProductGradient>, quantile<S>};
}
