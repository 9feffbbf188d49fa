// Gradients of aggregations: spread over edge rows, and the products that give those of weights.

template <typename S, int Bytes>
struct Quadratic {
    using T = Compute<S>;
    Vec<T, Bytes> linear = {}, curved = {};

    static inline Vec<T, Bytes> part(const GradientArgs& a, Reduce reduce, std::int64_t at) {
        return a.grad[reduce] == nullptr ? Vec<T, Bytes>{} : load<S, Bytes>(static_cast<const S*>(a.grad[reduce]) + at);
    }

    // For features [f, f + lanes) of destination d.
    static inline Quadratic of(const GradientArgs& a, std::int64_t d, std::int64_t f) {
        const std::int64_t count = a.edges.colptr[d + 1] - a.edges.colptr[d], at = d * a.stride + f;
        const T inverse = count > 1 ? T(1) / static_cast<T>(count) : T(1);
        Quadratic found;
        found.linear = part(a, kSum, at) + part(a, kMean, at) * inverse;
        if (a.average == nullptr) return found;
        found.curved = part(a, kVar, at) * (2 * inverse);
        if (a.grad[kStd] != nullptr) {
            const Vec<T, Bytes> deviation = load<S, Bytes>(static_cast<const S*>(a.deviation) + at);
            found.curved += deviation > T(0) ? part(a, kStd, at) * inverse / deviation : Vec<T, Bytes>{};
        }
        found.linear -= found.curved * load<T, Bytes>(static_cast<const T*>(a.average) + d * a.width + f);
        return found;
    }
};

template <typename S>
struct Spread {
    using T = Compute<S>;

    template <int Bytes>
    static void range(const GradientArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t slots = (a.width + lanes - 1) / lanes;
        for (std::int64_t d = first; d < last; ++d)
            for (std::int64_t s = 0; s < slots; ++s) segment<Bytes>(a, d, slot_at<lanes>(s, a.width).offset);
    }

    template <int Bytes>
    static void segment(const GradientArgs& a, std::int64_t d, std::int64_t f) {
        using Value = Vec<T, Bytes>;
        using Mask = Vec<typename SameSizeInt<T>::type, Bytes>;
        const std::int64_t begin = a.edges.colptr[d], end = a.edges.colptr[d + 1];
        const Quadratic<S, Bytes> smooth = Quadratic<S, Bytes>::of(a, d, f);
        const Value minimum = Quadratic<S, Bytes>::part(a, kMin, d * a.stride + f);
        const Value maximum = Quadratic<S, Bytes>::part(a, kMax, d * a.stride + f);
        const Mask least = ranks<Bytes>(a.argmin, d * a.width + f), most = ranks<Bytes>(a.argmax, d * a.width + f);
        const S* x = static_cast<const S*>(a.x) + f;
        S* out = static_cast<S*>(a.out) + f;
        for (std::int64_t e = begin; e < end; ++e) {
            const Mask here = Mask{} + static_cast<typename SameSizeInt<T>::type>(e - begin);
            Value value = smooth.linear;
            if (a.average != nullptr) value += smooth.curved * load<S, Bytes>(x + e * a.width);
            if (a.argmin != nullptr) value += least == here ? minimum : Value{};
            if (a.argmax != nullptr) value += most == here ? maximum : Value{};
            store<S, Bytes>(out + e * a.width, value);
        }
    }

    template <int Bytes>
    static inline Vec<typename SameSizeInt<T>::type, Bytes> ranks(const std::int32_t* arg, std::int64_t at) {
        Vec<typename SameSizeInt<T>::type, Bytes> found = {};
        if (arg == nullptr) return found;
        if constexpr (Bytes == 0) found = arg[at];
        else for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane) found[lane] = arg[at + lane];
        return found;
    }
};

template <typename S>
struct Fold {
    template <int Bytes>
    static void range(const GradientArgs& a, std::int64_t first, std::int64_t last) {
        using T = Compute<S>;
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t slots = (a.width + lanes - 1) / lanes, row = a.average == nullptr ? a.width : 2 * a.width;
        for (std::int64_t d = first; d < last; ++d)
            for (std::int64_t s = 0; s < slots; ++s) {
                const std::int64_t f = slot_at<lanes>(s, a.width).offset;
                const Quadratic<S, Bytes> smooth = Quadratic<S, Bytes>::of(a, d, f);
                T* out = static_cast<T*>(a.out) + d * row + f;
                store<T, Bytes>(out, smooth.linear);
                if (a.average != nullptr) store<T, Bytes>(out + a.width, smooth.curved);
            }
    }
};

template <typename S>
static void spread(const GradientArgs& a, std::int64_t first, std::int64_t last) {
    by_width<Spread<S>, Compute<S>>(a, a.width, first, last);
}
template <typename S>
static void fold(const GradientArgs& a, std::int64_t first, std::int64_t last) {
    by_width<Fold<S>, Compute<S>>(a, a.width, first, last);
}

// The sum of a vector's elements, by halves.
template <typename T, int Bytes>
static inline T total_of(const Vec<T, Bytes>& value) {
    constexpr int lanes = Vector<T, Bytes>::lanes;
    if constexpr (lanes == 1) return value;
    else if constexpr (lanes == 2) return value[0] + value[1];
    else if constexpr (lanes == 4)
        return total_of<T, Bytes / 2>(__builtin_shufflevector(value, value, 0, 1) + __builtin_shufflevector(value, value, 2, 3));
    else if constexpr (lanes == 8)
        return total_of<T, Bytes / 2>(__builtin_shufflevector(value, value, 0, 1, 2, 3) + __builtin_shufflevector(value, value, 4, 5, 6, 7));
    else
        return total_of<T, Bytes / 2>(__builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7) +
                                      __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15));
}

template <typename S>
struct Dots {
    using T = Compute<S>;

    template <int Bytes>
    static void range(const DotArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const Messages& m = a.messages;
        const std::int64_t size = m.heads * m.width, limit = m.edges.num_edges - kAhead;
        const S* x = static_cast<const S*>(m.x);
        const S* grad = static_cast<const S*>(a.grad);
        T* out = static_cast<T*>(a.out);
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = m.edges.colptr[d], end = m.edges.colptr[d + 1];
            const T scale = a.mean && end - begin > 1 ? T(1) / static_cast<T>(end - begin) : T(1);
            for (std::int64_t e = begin; e < end; ++e) {
                if (e < limit) {
                    const S* ahead = x + source_of(m.edges, e + kAhead) * size;
                    for (std::int64_t f = 0; f < size; f += 64 / static_cast<std::int64_t>(sizeof(S))) __builtin_prefetch(ahead + f);
                }
                const S* source = x + source_of(m.edges, e) * size;
                for (std::int64_t h = 0; h < m.heads; ++h) {
                    const S* left = grad + d * size + h * m.width;
                    const S* right = source + h * m.width;
                    Vec<T, Bytes> partial = {};
                    std::int64_t f = 0;
                    for (; f + lanes <= m.width; f += lanes) partial += load<S, Bytes>(left + f) * load<S, Bytes>(right + f);
                    T total = total_of<T, Bytes>(partial);
                    for (; f < m.width; ++f) total += load<S, 0>(left + f) * load<S, 0>(right + f);
                    out[e * m.heads + h] = total * scale;
                }
            }
        }
    }
};

template <typename S>
struct WeightedGradient {
    using T = Compute<S>;

    template <int Bytes>
    static void range(const WeightedGradientArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const Messages& m = a.messages;
        const std::int64_t slots = m.heads * ((m.width + lanes - 1) / lanes);
        for (std::int64_t s = first; s < last; s += kTile) {
            const std::int64_t stop = s + kTile < last ? s + kTile : last;
            for (std::int64_t at = 0; at < slots;) {
                const std::int64_t left = slots - at;
                const int count = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
                switch (count) {
                    case 8: tile<Bytes, 8>(a, s, stop, at); break;
                    case 4: tile<Bytes, 4>(a, s, stop, at); break;
                    case 2: tile<Bytes, 2>(a, s, stop, at); break;
                    default: tile<Bytes, 1>(a, s, stop, at); break;
                }
                at += count;
            }
        }
    }

    // Zero where a register at the end of a head repeats features of the one before, for they count once.
    template <int Bytes>
    static Vec<T, Bytes> without_first(Vec<T, Bytes> value, std::int64_t repeated) {
        if constexpr (Bytes != 0)
            for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane) value[lane] = lane < repeated ? T(0) : value[lane];
        return value;
    }

    template <int Bytes, int V>
    static void tile(const WeightedGradientArgs& a, std::int64_t first, std::int64_t last, std::int64_t index) {
        constexpr int lanes = Vector<T, Bytes>::lanes, bytes = lanes * static_cast<int>(sizeof(S)), per_line = bytes >= 64 ? 1 : 64 / bytes;
        const Messages& m = a.messages;
        const std::int64_t heads = m.heads, size = heads * m.width, per_head = (m.width + lanes - 1) / lanes;
        const S* rows = static_cast<const S*>(m.x);
        T* dots = static_cast<T*>(a.dots);
        Slot slots[V];
        std::int64_t repeated[V];
        bool closes[V], adds[V];  // the last register of its head in this block; the head began in an earlier block
        for (int v = 0; v < V; ++v) {
            const std::int64_t within = (index + v) % per_head;
            slots[v] = slot_at<lanes>(index + v, m.width);
            repeated[v] = slots[v].head * m.width + within * lanes - slots[v].offset;
            closes[v] = v == V - 1 || within == per_head - 1;
            adds[v] = within > v;
        }
        Window<T, true> window;
        window.last = m.edges.colptr[last];
        const std::int64_t limit = m.edges.num_edges - kAhead;
        const auto edge = [&](std::int64_t e) { return (m.edges.perm == nullptr ? e : index_at(m.edges.perm, m.edges.wide, e)) * heads; };
        for (std::int64_t s = first; s < last; ++s) {
            const std::int64_t end = m.edges.colptr[s + 1];
            Vec<T, Bytes> sum[V], own[V];
            for (int v = 0; v < V; ++v) {
                sum[v] = Vec<T, Bytes>{};
                own[v] = without_first<Bytes>(load<S, Bytes>(static_cast<const S*>(a.x) + s * size + slots[v].offset), repeated[v]);
            }
            for (std::int64_t e = m.edges.colptr[s]; e < end; ++e) {
                if (e >= window.stop) window.fill(m, e);
                const std::int64_t i = e - window.start;
                const S* ahead = rows + window.offset[i + kAhead];
                for (int v = 0; v < V; v += per_line) __builtin_prefetch(ahead + slots[v].offset);
                if (e < limit) __builtin_prefetch(dots + edge(e + kAhead), 1);
                T* to = dots + edge(e);
                Vec<T, Bytes> product = {};
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) {
                    const Vec<T, Bytes> value = load<S, Bytes>(rows + window.offset[i] + slots[v].offset);
                    sum[v] += window.weight[i * heads + slots[v].head] * value;
                    product += own[v] * value;
                    if (!closes[v]) continue;
                    const T total = total_of<T, Bytes>(product);
                    to[slots[v].head] = adds[v] ? to[slots[v].head] + total : total;
                    product = Vec<T, Bytes>{};
                }
            }
            for (int v = 0; v < V; ++v) store<S, Bytes>(static_cast<S*>(a.out) + s * size + slots[v].offset, sum[v]);
        }
    }
};

template <typename S>
static void weighted_gradient(const WeightedGradientArgs& a, std::int64_t first, std::int64_t last) {
    by_width<WeightedGradient<S>, Compute<S>>(a, a.messages.width, first, last);
}

template <typename S>
static void dots(const DotArgs& a, std::int64_t first, std::int64_t last) {
    by_width<Dots<S>, Compute<S>>(a, a.messages.width, first, last);
}
