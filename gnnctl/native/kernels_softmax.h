// Softmax of edge scores within each destination, the scores of additive attention computed on the way.

// exp for arguments that are at most 0 (a maximum was subtracted); about one unit in the last place of error.
template <int Bytes>
static inline Vec<float, Bytes> exponential(Vec<float, Bytes> x) {
    using Value = Vec<float, Bytes>;
    using Bits = Vec<std::int32_t, Bytes>;
    const Value lowest = Value{} - 87.0f;
    x = lowest > x ? lowest : x;  // keeps a NaN
    const Value shift = Value{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
    const Value shifted = x * 1.44269504f + shift;
    const Value n = shifted - shift;
    const Value r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Value p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    Bits power;
    __builtin_memcpy(&power, &shifted, sizeof(power));
    power = (power << 23) + (127 << 23);  // the low bits of `shifted` hold n
    Value scale;
    __builtin_memcpy(&scale, &power, sizeof(scale));
    return p * scale;
}
template <int Bytes>
static inline Vec<double, Bytes> exponential(Vec<double, Bytes> x) {
    if constexpr (Bytes == 0) {
        return __builtin_exp(x);
    } else {
        for (int lane = 0; lane < Vector<double, Bytes>::lanes; ++lane) x[lane] = __builtin_exp(x[lane]);
        return x;
    }
}

constexpr std::int64_t kRowsAhead = 8;

// The sum inside leaky_relu, for `lanes` heads from `h` on.
template <typename T, int Bytes>
static inline Vec<T, Bytes> raw_score(const AttentionArgs& a, std::int64_t e, std::int64_t d, std::int64_t h) {
    Vec<T, Bytes> score = {};
    if (a.src != nullptr)
        score += load<T, Bytes>(static_cast<const T*>(a.src) + source_of(a.edges, e) * a.heads + h);
    if (a.dst != nullptr) score += load<T, Bytes>(static_cast<const T*>(a.dst) + d * a.heads + h);
    if (a.edge != nullptr) score += load<T, Bytes>(static_cast<const T*>(a.edge) + e * a.heads + h);
    return score;
}

struct Forward {
    template <typename T, int Bytes>
    static void segment(const AttentionArgs& a, std::int64_t d, std::int64_t h) {
        using Value = Vec<T, Bytes>;
        const std::int64_t begin = a.edges.colptr[d], end = a.edges.colptr[d + 1];
        if (begin == end) return;
        T* out = static_cast<T*>(a.out) + h;
        const T slope = static_cast<T>(a.slope);
        Value most = {};
        for (std::int64_t e = begin; e < end; ++e) {
            Value score = raw_score<T, Bytes>(a, e, d, h);
            score = score > 0 ? score : score * slope;
            store<T, Bytes>(out + e * a.heads, score);
            most = e == begin ? score : (score > most ? score : most);
        }
        Value total = {};
        std::int64_t e = begin;
        if constexpr (Bytes == 0 && sizeof(T) == 4) {
            if (a.heads == 1) {  // one head: its scores lie side by side, so vectors run along the edges
                constexpr int wide = GNNCTL_VECTOR_BYTES, lanes = Vector<T, wide>::lanes;
                Vec<T, wide> partial = {};
                for (; e + lanes <= end; e += lanes) {
                    const Vec<T, wide> value = exponential<wide>(load<T, wide>(out + e) - most);
                    store<T, wide>(out + e, value);
                    partial += value;
                }
                for (int lane = 0; lane < lanes; ++lane) total += partial[lane];
            }
        }
        for (; e < end; ++e) {
            const Value value = exponential<Bytes>(load<T, Bytes>(out + e * a.heads) - most);
            store<T, Bytes>(out + e * a.heads, value);
            total += value;
        }
        const Value scale = T(1) / total;
        for (e = begin; e < end; ++e)
            store<T, Bytes>(out + e * a.heads, load<T, Bytes>(out + e * a.heads) * scale);
    }
};

// The same where the scores are the edges' own, for V registers of heads at once: rows are read as they stand in memory.
template <typename T>
struct Plain {
    template <int Bytes, int V>
    static void segment(const AttentionArgs& a, std::int64_t d, std::int64_t h) {
        using Value = Vec<T, Bytes>;
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t begin = a.edges.colptr[d], end = a.edges.colptr[d + 1], limit = a.edges.num_edges - kRowsAhead;
        const T* x = static_cast<const T*>(a.edge) + h;
        T* out = static_cast<T*>(a.out) + h;
        Value most[V], total[V];
        for (int v = 0; v < V; ++v) {
            most[v] = begin < end ? load<T, Bytes>(x + begin * a.heads + v * lanes) : Value{};
            total[v] = Value{};
        }
        for (std::int64_t e = begin + 1; e < end; ++e) {
            if (e < limit)
                for (int v = 0; v < V; ++v) __builtin_prefetch(x + (e + kRowsAhead) * a.heads + v * lanes);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const Value value = load<T, Bytes>(x + e * a.heads + v * lanes);
                most[v] = value > most[v] ? value : most[v];
            }
        }
        for (std::int64_t e = begin; e < end; ++e)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const Value value = exponential<Bytes>(load<T, Bytes>(x + e * a.heads + v * lanes) - most[v]);
                store<T, Bytes>(out + e * a.heads + v * lanes, value);
                total[v] += value;
            }
        for (int v = 0; v < V; ++v) total[v] = T(1) / total[v];
        for (std::int64_t e = begin; e < end; ++e)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                T* at = out + e * a.heads + v * lanes;
                store<T, Bytes>(at, load<T, Bytes>(at) * total[v]);
            }
    }
};

struct Backward {
    template <typename T, int Bytes>
    static void segment(const AttentionArgs& a, std::int64_t d, std::int64_t h) {
        using Value = Vec<T, Bytes>;
        const std::int64_t begin = a.edges.colptr[d], end = a.edges.colptr[d + 1];
        const T* prob = static_cast<const T*>(a.prob) + h;
        const T* grad = static_cast<const T*>(a.grad) + h;
        T* out = static_cast<T*>(a.out) + h;
        const T slope = static_cast<T>(a.slope);
        Value mixed = {}, total = {};
        for (std::int64_t e = begin; e < end; ++e)
            mixed += load<T, Bytes>(prob + e * a.heads) * load<T, Bytes>(grad + e * a.heads);
        for (std::int64_t e = begin; e < end; ++e) {
            Value value = load<T, Bytes>(prob + e * a.heads) * (load<T, Bytes>(grad + e * a.heads) - mixed);
            if (a.slope != 1.0) value = raw_score<T, Bytes>(a, e, d, h) > 0 ? value : value * slope;
            store<T, Bytes>(out + e * a.heads, value);
            total += value;
        }
        if (a.grad_dst != nullptr) store<T, Bytes>(static_cast<T*>(a.grad_dst) + d * a.heads + h, total);
    }
};

template <typename Op, typename T>
static void over_heads(const AttentionArgs& a, std::int64_t first, std::int64_t last) {
    constexpr int sixteen = 16 * sizeof(T), eight = 8 * sizeof(T), four = 4 * sizeof(T);
    for (std::int64_t d = first; d < last; ++d) {
        std::int64_t h = 0;
        if constexpr (sixteen <= GNNCTL_VECTOR_BYTES)
            for (; h + 16 <= a.heads; h += 16) Op::template segment<T, sixteen>(a, d, h);
        if constexpr (eight <= GNNCTL_VECTOR_BYTES)
            for (; h + 8 <= a.heads; h += 8) Op::template segment<T, eight>(a, d, h);
        if constexpr (four <= GNNCTL_VECTOR_BYTES)
            for (; h + 4 <= a.heads; h += 4) Op::template segment<T, four>(a, d, h);
        for (; h < a.heads; ++h) Op::template segment<T, 0>(a, d, h);
    }
}

template <typename T>
static void attention(const AttentionArgs& a, std::int64_t first, std::int64_t last) {
    constexpr std::int64_t lanes = GNNCTL_VECTOR_BYTES / sizeof(T);
    const bool plain = a.src == nullptr && a.dst == nullptr && a.slope == 1.0;
    if (!plain || a.heads % lanes != 0) return over_heads<Forward, T>(a, first, last);
    for (std::int64_t d = first; d < last; ++d) {
        std::int64_t h = 0;
        for (; h + 4 * lanes <= a.heads; h += 4 * lanes) Plain<T>::template segment<GNNCTL_VECTOR_BYTES, 4>(a, d, h);
        for (; h < a.heads; h += lanes) Plain<T>::template segment<GNNCTL_VECTOR_BYTES, 1>(a, d, h);
    }
}
template <typename T>
static void attention_backward(const AttentionArgs& a, std::int64_t first, std::int64_t last) {
    over_heads<Backward, T>(a, first, last);
}
