// What is gathered from the messages of one destination; each accumulator keeps V registers of each of its values.
// begin() is given the first message (rank 0), or zeros (rank -1) where there is none.
template <typename S, int Bytes, int V>
struct Sum {
    static constexpr int most = 8;
    Vec<Compute<S>, Bytes> sum[V];

    inline void begin(int v, const Vec<Compute<S>, Bytes>& value, std::int64_t) { sum[v] = value; }
    inline void take(int v, const Vec<Compute<S>, Bytes>& value, std::int64_t) { sum[v] += value; }
    inline void end(int v, const AggregateArgs& a, std::int64_t at, std::int64_t, Compute<S> inverse) const {
        if (a.out[kSum] != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kSum]) + at, sum[v]);
        if (a.out[kMean] != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kMean]) + at, sum[v] * inverse);
    }
};

template <typename S, int Bytes, int V>
struct Product {
    static constexpr int most = 8;
    Vec<Compute<S>, Bytes> product[V];

    inline void begin(int v, const Vec<Compute<S>, Bytes>& value, std::int64_t here) { product[v] = here < 0 ? value + Compute<S>(1) : value; }
    inline void take(int v, const Vec<Compute<S>, Bytes>& value, std::int64_t) { product[v] *= value; }
    inline void end(int v, const AggregateArgs& a, std::int64_t at, std::int64_t, Compute<S>) const {
        put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kMul]) + at, product[v]);
    }
};

// The first of equals is chosen; a NaN is taken and then kept. Ranked: which edge it was is kept too, for the gradient.
template <typename S, int Bytes, int V, bool Minimum, bool Ranked>
struct Extremum {
    static constexpr int most = 8;
    using T = Compute<S>;
    using Int = typename SameSizeInt<T>::type;
    Vec<T, Bytes> best[V];
    Vec<Int, Bytes> rank[Ranked ? V : 1];

    inline void begin(int v, const Vec<T, Bytes>& value, std::int64_t here) {
        best[v] = value;
        if constexpr (Ranked) rank[v] = Vec<Int, Bytes>{} + static_cast<Int>(here);
    }
    inline void take(int v, const Vec<T, Bytes>& value, std::int64_t here) {
        if constexpr (Ranked) {
            const Vec<Int, Bytes> now = Vec<Int, Bytes>{} + static_cast<Int>(here);
            rank[v] = (Minimum ? value < best[v] : value > best[v]) ? now : rank[v];
            rank[v] = value != value ? now : rank[v];
        }
        best[v] = (Minimum ? value < best[v] : value > best[v]) ? value : best[v];
        best[v] = value != value ? value : best[v];
    }
    inline void end(int v, const AggregateArgs& a, std::int64_t at, std::int64_t packed, T) const {
        void* out = a.out[Minimum ? kMin : kMax];
        if (out != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(out) + at, best[v]);
        if constexpr (Ranked) end_rank(v, Minimum ? a.argmin : a.argmax, a.streaming, packed);
    }

private:
    inline void end_rank(int v, std::int32_t* arg, bool streaming, std::int64_t packed) const {
        if (arg == nullptr) return;
        if constexpr (sizeof(Int) == sizeof(std::int32_t)) {
            put<std::int32_t, Bytes>(streaming, arg + packed, rank[v]);
        } else if constexpr (Bytes == 0) {
            arg[packed] = static_cast<std::int32_t>(rank[v]);
        } else {
            for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane) arg[packed + lane] = static_cast<std::int32_t>(rank[v][lane]);
        }
    }
};
template <typename S, int Bytes, int V>
using Least = Extremum<S, Bytes, V, true, false>;
template <typename S, int Bytes, int V>
using Most = Extremum<S, Bytes, V, false, false>;
template <typename S, int Bytes, int V>
using RankedLeast = Extremum<S, Bytes, V, true, true>;
template <typename S, int Bytes, int V>
using RankedMost = Extremum<S, Bytes, V, false, true>;

template <typename T, int Bytes>
static inline Vec<T, Bytes> root(Vec<T, Bytes> value) {
    if constexpr (Bytes == 0) {
        return static_cast<T>(__builtin_sqrt(value));
    } else {
        for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane)
            value[lane] = sizeof(T) == sizeof(float) ? static_cast<T>(__builtin_sqrtf(static_cast<float>(value[lane]))) : static_cast<T>(__builtin_sqrt(value[lane]));
        return value;
    }
}

// Sum, mean and variance. Squares are summed of distances from the first message, so that a large common offset does
// not drown the variance: Var = E[(m - m_0)^2] - (E[m - m_0])^2.
template <typename S, int Bytes, int V>
struct Moments {
    static constexpr int most = 4;
    using T = Compute<S>;
    Vec<T, Bytes> sum[V], origin[V], distance[V], square[V];

    inline void begin(int v, const Vec<T, Bytes>& value, std::int64_t) {
        sum[v] = origin[v] = value;
        distance[v] = square[v] = Vec<T, Bytes>{};
    }
    inline void take(int v, const Vec<T, Bytes>& value, std::int64_t) {
        const Vec<T, Bytes> from = value - origin[v];
        sum[v] += value;
        distance[v] += from;
        square[v] += from * from;
    }
    inline void end(int v, const AggregateArgs& a, std::int64_t at, std::int64_t packed, T inverse) const {
        if (a.out[kSum] != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kSum]) + at, sum[v]);
        if (a.out[kMean] != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kMean]) + at, sum[v] * inverse);
        if (a.average != nullptr) put<T, Bytes>(a.streaming, static_cast<T*>(a.average) + packed, sum[v] * inverse);
        Vec<T, Bytes> shift = distance[v] * inverse, variance = square[v] * inverse - shift * shift;
        variance = variance < T(0) ? Vec<T, Bytes>{} : variance;
        if (a.out[kVar] != nullptr) put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kVar]) + at, variance);
        if (a.out[kStd] == nullptr) return;
        put<S, Bytes>(a.streaming, static_cast<S*>(a.out[kStd]) + at, variance <= T(1e-5) ? Vec<T, Bytes>{} : root<T, Bytes>(variance));
    }
};

template <typename S, int Bytes, int V, template <typename, int, int> class A, template <typename, int, int> class B>
struct Both {
    A<S, Bytes, V> a;
    B<S, Bytes, V> b;
    using T = Compute<S>;

    inline void begin(int v, const Vec<T, Bytes>& value, std::int64_t here) {
        a.begin(v, value, here);
        b.begin(v, value, here);
    }
    inline void take(int v, const Vec<T, Bytes>& value, std::int64_t here) {
        a.take(v, value, here);
        b.take(v, value, here);
    }
    inline void end(int v, const AggregateArgs& args, std::int64_t at, std::int64_t packed, T inverse) const {
        a.end(v, args, at, packed, inverse);
        b.end(v, args, at, packed, inverse);
    }
};
template <typename S, int Bytes, int V>
struct Extremes : Both<S, Bytes, V, Least, Most> {
    static constexpr int most = 4;
};
template <typename S, int Bytes, int V>
struct SumAndExtremes : Both<S, Bytes, V, Sum, Extremes> {
    static constexpr int most = 4;
};
template <typename S, int Bytes, int V>
struct RankedExtremes : Both<S, Bytes, V, RankedLeast, RankedMost> {
    static constexpr int most = 4;
};
template <typename S, int Bytes, int V>
struct RankedSumAndExtremes : Both<S, Bytes, V, Sum, RankedExtremes> {
    static constexpr int most = 4;
};
template <typename S, int Bytes, int V>
struct Everything : Both<S, Bytes, V, Moments, RankedExtremes> {
    static constexpr int most = 4;
};
