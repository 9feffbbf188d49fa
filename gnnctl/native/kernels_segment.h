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

// The rows [begin, end) of a segment, of `all` rows; `out`: where its result begins.
struct Rows {
    std::int64_t begin, end, all, out;
};

// Calls Op::segment<Bytes, V> for every destination and every V registers of its features, as rows stand in memory.
template <typename S, typename Op>
struct Segments {
    template <int Bytes, typename Args>
    static void range(const Args& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<Compute<S>, Bytes>::lanes, most = 4;
        const std::int64_t slots = (a.width + lanes - 1) / lanes;
        for (std::int64_t d = first; d < last; ++d) {
            const Rows rows{a.edges.colptr[d], a.edges.colptr[d + 1], a.edges.num_edges, d * a.width};
            for (std::int64_t s = 0; s < slots;) {
                std::int64_t f[most];
                const int count = slots - s >= most ? most : 1;
                for (int v = 0; v < count; ++v) f[v] = slot_at<lanes>(s + v, a.width).offset;
                if (count == most) Op::template segment<Bytes, most>(a, rows, f);
                else Op::template segment<Bytes, 1>(a, rows, f);
                s += count;
            }
        }
    }
};

// out[d] = log sum exp x[e], with the largest taken out first; minus infinity without edges.
template <typename S>
struct LogSumExp {
    using T = Compute<S>;
    template <int Bytes, int V>
    static void segment(const SegmentArgs& a, const Rows& rows, const std::int64_t* f) {
        using Value = Vec<T, Bytes>;
        const S* x = static_cast<const S*>(a.x);
        const T infinity = static_cast<T>(__builtin_inf());
        Value most[V], shift[V], total[V];
        for (int v = 0; v < V; ++v) most[v] = Value{} - infinity;
        for (std::int64_t e = rows.begin; e < rows.end; ++e) {
            if (e + kAhead < rows.all)
                for (int v = 0; v < V; ++v) __builtin_prefetch(x + (e + kAhead) * a.width + f[v]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const Value value = load<S, Bytes>(x + e * a.width + f[v]);
                most[v] = value > most[v] ? value : most[v];
            }
        }
        for (int v = 0; v < V; ++v) {
            shift[v] = most[v] == infinity ? Value{} : (most[v] == -infinity ? Value{} : most[v]);
            total[v] = Value{};
        }
        for (std::int64_t e = rows.begin; e < rows.end; ++e) {
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v)  // of minus infinity next to nothing, but not nothing: see exponential()
                total[v] += exponential<Bytes>(load<S, Bytes>(x + e * a.width + f[v]) - shift[v]);
        }
        for (int v = 0; v < V; ++v) {
            const Value found = shift[v] + logarithm<Bytes>(total[v] < T(1) ? Value{} + T(1) : total[v]);
            const Value known = total[v] != total[v] ? total[v] : found;  // a NaN
            store<S, Bytes>(static_cast<S*>(a.out) + rows.out + f[v],
                            most[v] == infinity ? most[v] : (most[v] == -infinity ? (total[v] != total[v] ? total[v] : most[v]) : known));
        }
    }
};

// out[e] = grad[d] * exp(x[e] - result[d]).
template <typename S>
struct LogSumExpGradient {
    using T = Compute<S>;
    template <int Bytes, int V>
    static void segment(const SegmentArgs& a, const Rows& rows, const std::int64_t* f) {
        using Value = Vec<T, Bytes>;
        const S* x = static_cast<const S*>(a.x);
        S* out = static_cast<S*>(a.out);
        const T infinity = static_cast<T>(__builtin_inf());
        Value result[V], grad[V];
        for (int v = 0; v < V; ++v) {
            result[v] = load<S, Bytes>(static_cast<const S*>(a.result) + rows.out + f[v]);
            grad[v] = load<S, Bytes>(static_cast<const S*>(a.grad) + rows.out + f[v]);
        }
        for (std::int64_t e = rows.begin; e < rows.end; ++e) {
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const Value value = load<S, Bytes>(x + e * a.width + f[v]);
                const Value share = value == -infinity ? Value{} : exponential<Bytes>(value - result[v]);
                store<S, Bytes>(out + e * a.width + f[v], grad[v] * share);
            }
        }
    }
};

// out[e] = grad[d] * product of the others: of those before, written on the way down, times those after. So zeros need
// no care.
template <typename T>
struct ProductGradient {
    template <int Bytes, int V>
    static void segment(const SegmentArgs& a, const Rows& rows, const std::int64_t* f) {
        for (int v = 0; v < V; ++v) {
            const T* x = static_cast<const T*>(a.x) + f[v];
            T* out = static_cast<T*>(a.out) + f[v];
            Vec<T, Bytes> before = Vec<T, Bytes>{} + T(1), after = load<T, Bytes>(static_cast<const T*>(a.grad) + rows.out + f[v]);
            for (std::int64_t e = rows.begin; e < rows.end; ++e) {
                store<T, Bytes>(out + e * a.width, before);
                before *= load<T, Bytes>(x + e * a.width);
            }
            for (std::int64_t e = rows.end; e-- > rows.begin;) {
                store<T, Bytes>(out + e * a.width, load<T, Bytes>(out + e * a.width) * after);
                after *= load<T, Bytes>(x + e * a.width);
            }
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
    return {aggregate<S>, spread<S>, fold<S>, dots<S>, weighted_gradient<S>, attention<T>, attention_backward<T>,
            over_segments<S, T, LogSumExp>, over_segments<S, T, LogSumExpGradient>,
            over_segments<T, T, ProductGradient>, quantile<S>};
}
