// Attention-weighted sums. A destination's edges come in chunks whose scores stay in the first cache; from the second
// chunk on, sums so far are rescaled to the new maximum ("Online normalizer calculation for softmax", Milakov and
// Gimelshein, 2018).

constexpr std::int64_t kChunkScores = 2048;
constexpr std::int64_t kLead = 4;  // edges between a prefetch and its use

static inline std::int64_t chunk_edges(std::int64_t heads) { return heads < kChunkScores ? kChunkScores / heads : 1; }

// Heads: how many there are where that is known in advance, so that loops over them unroll; 0 where not.
template <typename T, int Heads>
static inline T score_at(const AttentionArgs& a, std::int64_t e, std::int64_t source, std::int64_t d, std::int64_t h) {
    const std::int64_t heads = Heads > 0 ? Heads : a.heads;
    T score = 0;
    if (a.src != nullptr) score += static_cast<const T*>(a.src)[source * heads + h];
    if (a.dst != nullptr) score += static_cast<const T*>(a.dst)[d * heads + h];
    if (a.edge != nullptr) score += static_cast<const T*>(a.edge)[e * heads + h];
    return score;
}

// exp of `count` values that are at most 0, in place; what follows them up to a whole vector is overwritten.
template <typename T>
static inline void exponentials(T* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += GNNCTL_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T)))
        store<T, GNNCTL_VECTOR_BYTES>(values + i, exponential<GNNCTL_VECTOR_BYTES>(load<T, GNNCTL_VECTOR_BYTES>(values + i)));
}

template <typename T>
struct Scratch {
    T *weights, *most, *total, *scale, *sums, *next;

    Scratch(void* memory, std::int64_t heads, std::int64_t size) {
        weights = static_cast<T*>(memory);
        most = weights + chunk_edges(heads) * heads + 64;
        total = most + heads;
        scale = total + heads;
        sums = scale + heads;
        next = sums + size;
    }
    static std::int64_t bytes(std::int64_t heads, std::int64_t width) {
        return (chunk_edges(heads) * heads + 64 + 3 * heads + 2 * heads * width) * static_cast<std::int64_t>(sizeof(T));
    }
};

// Scores of edges [begin, end) less the largest so far, exponentiated; `scale` is what sums so far shrink by.
template <typename T, int Heads>
static void weigh(const AttentionArgs& a, std::int64_t d, std::int64_t begin, std::int64_t end, bool fresh, const Scratch<T>& s) {
    const std::int64_t heads = Heads > 0 ? Heads : a.heads, count = end - begin;
    const T slope = static_cast<T>(a.slope);
    const T least = -__builtin_huge_val();
    T own[Heads > 0 ? Heads : 1];  // what the compiler can keep in registers
    T* const most_now = Heads > 0 ? own : s.scale;
    T* const __restrict weights = s.weights;
    for (std::int64_t h = 0; h < heads; ++h) most_now[h] = fresh ? least : s.most[h];
    for (std::int64_t e = begin; e < end; ++e) {
        const std::int64_t source = source_of(a.edges, e);
        T* const __restrict w = weights + (e - begin) * heads;
        for (std::int64_t h = 0; h < heads; ++h) {
            T score = score_at<T, Heads>(a, e, source, d, h);
            score = score > 0 ? score : score * slope;
            w[h] = score;
            most_now[h] = most_now[h] < score ? score : most_now[h];
        }
    }
    for (std::int64_t h = 0; h < heads; ++h) {
        const T most = most_now[h];
        s.scale[h] = fresh ? T(0) : exponential<0>(s.most[h] - most);
        s.most[h] = most;
        s.total[h] = fresh ? T(0) : s.total[h] * s.scale[h];
    }
    const T* const highest = Heads > 0 ? own : s.most;
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t h = 0; h < heads; ++h) weights[i * heads + h] -= highest[h];
    exponentials(weights, count * heads);
    T more[Heads > 0 ? Heads : 1];
    T* const total = Heads > 0 ? more : s.total;
    if (Heads > 0)
        for (std::int64_t h = 0; h < heads; ++h) total[h] = s.total[h];
    for (std::int64_t i = 0; i < count; ++i)
        for (std::int64_t h = 0; h < heads; ++h) total[h] += weights[i * heads + h];
    if (Heads > 0)
        for (std::int64_t h = 0; h < heads; ++h) s.total[h] = total[h];
}

// One register's worth of features: registers overlap at the end of a head where they do not divide it.
struct Place {
    std::int64_t offset, head;
};
template <int Lanes>
static inline Place place_of(std::int64_t index, std::int64_t width) {
    const std::int64_t per_head = (width + Lanes - 1) / Lanes, head = index / per_head, start = index % per_head * Lanes;
    return {head * width + (start + Lanes <= width ? start : width - Lanes), head};
}

struct Chunk {
    std::int64_t d, begin, end;
    bool first, last;
};

template <typename S, int Bytes, int V>
static inline void accumulate(const FusedArgs& a, const Chunk& chunk, const Scratch<Compute<S>>& s, std::int64_t slot) {
    using T = Compute<S>;
    constexpr int lanes = Vector<T, Bytes>::lanes;
    const AttentionArgs& scores = a.scores;
    const std::int64_t heads = scores.heads, size = heads * a.width;
    const S* x = static_cast<const S*>(a.x);
    Place at[V];
    Vec<T, Bytes> sum[V] = {};
    for (int v = 0; v < V; ++v) at[v] = place_of<lanes>(slot + v, a.width);
    if (!chunk.first)
        for (int v = 0; v < V; ++v) sum[v] = load<T, Bytes>(s.sums + at[v].offset) * s.scale[at[v].head];
    for (std::int64_t e = chunk.begin; e < chunk.end; ++e) {
        if (e + kLead < scores.edges.num_edges) {
            const S* ahead = x + source_of(scores.edges, e + kLead) * size;
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) __builtin_prefetch(ahead + at[v].offset);
        }
        const S* source = x + source_of(scores.edges, e) * size;
        const T* w = s.weights + (e - chunk.begin) * heads;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[v] += w[at[v].head] * load<S, Bytes>(source + at[v].offset);
    }
    if (chunk.last) {
        S* out = static_cast<S*>(a.out) + chunk.d * size;
        for (int v = 0; v < V; ++v) store<S, Bytes>(out + at[v].offset, sum[v] * (T(1) / s.total[at[v].head]));
    } else {
        for (int v = 0; v < V; ++v) store<T, Bytes>(s.next + at[v].offset, sum[v]);
    }
}

template <typename S>
struct FusedForward {
    using T = Compute<S>;
    struct Args {
        const FusedArgs& a;
        void* scratch;
    };

    template <int Bytes>
    static void range(const Args& args, std::int64_t first, std::int64_t last) {
        const FusedArgs& a = args.a;
        const AttentionArgs& scores = a.scores;
        const std::int64_t heads = scores.heads, size = heads * a.width, most = chunk_edges(heads);
        Scratch<T> s(args.scratch, heads, size);
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = scores.edges.colptr[d], end = scores.edges.colptr[d + 1];
            T* stats = static_cast<T*>(a.stats) + d * 2 * heads;
            if (begin == end) {
                for (std::int64_t i = 0; i < size; ++i) store<S, 0>(static_cast<S*>(a.out) + d * size + i, T(0));
                for (std::int64_t i = 0; i < 2 * heads; ++i) stats[i] = 0;
                continue;
            }
            for (std::int64_t e = begin; e < end; e += most) {
                const Chunk chunk{d, e, end - e < most ? end : e + most, e == begin, end - e <= most};
                switch (heads) {
                    case 1: weigh<T, 1>(scores, d, chunk.begin, chunk.end, chunk.first, s); break;
                    case 2: weigh<T, 2>(scores, d, chunk.begin, chunk.end, chunk.first, s); break;
                    case 4: weigh<T, 4>(scores, d, chunk.begin, chunk.end, chunk.first, s); break;
                    case 8: weigh<T, 8>(scores, d, chunk.begin, chunk.end, chunk.first, s); break;
                    default: weigh<T, 0>(scores, d, chunk.begin, chunk.end, chunk.first, s); break;
                }
                blocks<Bytes>(a, chunk, s);
                T* sums = s.sums;
                s.sums = s.next;
                s.next = sums;
            }
            for (std::int64_t h = 0; h < heads; ++h) {
                stats[h] = s.most[h];
                stats[heads + h] = T(1) / s.total[h];
            }
        }
    }

    template <int Bytes>
    static inline void blocks(const FusedArgs& a, const Chunk& chunk, const Scratch<T>& s) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t slots = a.scores.heads * ((a.width + lanes - 1) / lanes);
        for (std::int64_t slot = 0; slot < slots;) {
            const std::int64_t left = slots - slot;
            if (left >= 8) accumulate<S, Bytes, 8>(a, chunk, s, slot), slot += 8;
            else if (left >= 4) accumulate<S, Bytes, 4>(a, chunk, s, slot), slot += 4;
            else if (left >= 2) accumulate<S, Bytes, 2>(a, chunk, s, slot), slot += 2;
            else accumulate<S, Bytes, 1>(a, chunk, s, slot), slot += 1;
        }
    }
};

// The sum of a vector's elements, by halves.
template <typename T, int Bytes>
static inline T sum_of(const Vec<T, Bytes>& value) {
    if constexpr (Bytes == 0) {
        return value;
    } else if constexpr (Bytes == sizeof(T)) {
        return value[0];
    } else {
        Vec<T, Bytes / 2> low, high;
        __builtin_memcpy(&low, &value, Bytes / 2);
        __builtin_memcpy(&high, reinterpret_cast<const char*>(&value) + Bytes / 2, Bytes / 2);
        return sum_of<T, Bytes / 2>(low + high);
    }
}

// The gradient of a score is p (<grad, x> - sum of p <grad, x>), and leaky_relu's slope times that.
template <typename S>
struct FusedBackward {
    using T = Compute<S>;

    template <int Bytes>
    static void range(const FusedArgs& a, std::int64_t first, std::int64_t last) {
        const AttentionArgs& scores = a.scores;
        const std::int64_t heads = scores.heads, size = heads * a.width;
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = scores.edges.colptr[d], end = scores.edges.colptr[d + 1];
            const T* stats = static_cast<const T*>(a.stats) + d * 2 * heads;
            T* prob = static_cast<T*>(a.prob) + begin * heads;
            T* out = static_cast<T*>(scores.out) + begin * heads;
            T* sums = static_cast<T*>(scores.grad_dst) + d * heads;
            for (std::int64_t e = begin; e < end; ++e) products<Bytes>(a, d, e, size, out + (e - begin) * heads);
            switch (heads) {
                case 1: segment<1>(scores, d, stats, prob, out, sums); break;
                case 2: segment<2>(scores, d, stats, prob, out, sums); break;
                case 4: segment<4>(scores, d, stats, prob, out, sums); break;
                case 8: segment<8>(scores, d, stats, prob, out, sums); break;
                default: segment<0>(scores, d, stats, prob, out, sums); break;
            }
        }
    }

    template <int Heads>
    static void segment(const AttentionArgs& scores, std::int64_t d, const T* stats, T* prob, T* out, T* sums) {
        recompute<Heads>(scores, d, stats, prob);
        finish<Heads>(scores, d, prob, out, sums);
    }

    template <int Heads>
    static inline void recompute(const AttentionArgs& scores, std::int64_t d, const T* stats, T* prob) {
        constexpr std::int64_t lanes = GNNCTL_VECTOR_BYTES / static_cast<std::int64_t>(sizeof(T));
        const std::int64_t begin = scores.edges.colptr[d], end = scores.edges.colptr[d + 1], heads = Heads > 0 ? Heads : scores.heads;
        const T slope = static_cast<T>(scores.slope);
        for (std::int64_t e = begin; e < end; ++e) {
            const std::int64_t source = source_of(scores.edges, e);
            for (std::int64_t h = 0; h < heads; ++h) {
                T score = score_at<T, Heads>(scores, e, source, d, h);
                score = score > 0 ? score : score * slope;
                prob[(e - begin) * heads + h] = score - stats[h];
            }
        }
        const std::int64_t count = (end - begin) * heads, whole = count / lanes * lanes;
        exponentials(prob, whole);  // no further: the next destination's may be another thread's
        for (std::int64_t i = whole; i < count; ++i) prob[i] = exponential<0>(prob[i]);
        for (std::int64_t e = begin; e < end; ++e)
            for (std::int64_t h = 0; h < heads; ++h) prob[(e - begin) * heads + h] *= stats[heads + h];
    }

    template <int Bytes>
    static inline void products(const FusedArgs& a, std::int64_t d, std::int64_t e, std::int64_t size, T* out) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const Edges& edges = a.scores.edges;
        const S* x = static_cast<const S*>(a.x);
        if (e + kLead < edges.num_edges) {
            const S* ahead = x + source_of(edges, e + kLead) * size;
            for (std::int64_t f = 0; f < size; f += 64 / static_cast<std::int64_t>(sizeof(S))) __builtin_prefetch(ahead + f);
        }
        const S* right = x + source_of(edges, e) * size;
        const S* left = static_cast<const S*>(a.grad) + d * size;
        for (std::int64_t h = 0; h < a.scores.heads; ++h, left += a.width, right += a.width) {
            Vec<T, Bytes> partial = {};
            std::int64_t f = 0;
            for (; f + lanes <= a.width; f += lanes) partial += load<S, Bytes>(left + f) * load<S, Bytes>(right + f);
            T total = sum_of<T, Bytes>(partial);
            for (; f < a.width; ++f) total += load<S, 0>(left + f) * load<S, 0>(right + f);
            out[h] = total;
        }
    }

    template <int Heads>
    static inline void finish(const AttentionArgs& scores, std::int64_t d, const T* __restrict prob, T* __restrict out, T* __restrict sums) {
        const std::int64_t begin = scores.edges.colptr[d], count = scores.edges.colptr[d + 1] - begin;
        const std::int64_t heads = Heads > 0 ? Heads : scores.heads;
        const T slope = static_cast<T>(scores.slope);
        for (std::int64_t h = 0; h < heads; ++h) sums[h] = 0;
        for (std::int64_t i = 0; i < count; ++i)
            for (std::int64_t h = 0; h < heads; ++h) sums[h] += prob[i * heads + h] * out[i * heads + h];
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t source = source_of(scores.edges, begin + i);
            for (std::int64_t h = 0; h < heads; ++h) {
                const T value = prob[i * heads + h] * (out[i * heads + h] - sums[h]);
                out[i * heads + h] = score_at<T, Heads>(scores, begin + i, source, d, h) > 0 ? value : value * slope;
            }
        }
        for (std::int64_t h = 0; h < heads; ++h) sums[h] = 0;
        for (std::int64_t i = 0; i < count; ++i)
            for (std::int64_t h = 0; h < heads; ++h) sums[h] += out[i * heads + h];
    }
};

template <typename S>
static void fused_forward(const FusedArgs& a, std::int64_t first, std::int64_t last, void* scratch) {
    by_width<FusedForward<S>, Compute<S>>(typename FusedForward<S>::Args{a, scratch}, a.width, first, last);
}
template <typename S>
static void fused_backward(const FusedArgs& a, std::int64_t first, std::int64_t last) {
    by_width<FusedBackward<S>, Compute<S>>(a, a.width, first, last);
}

template <typename S>
constexpr FusedTable fused_table() {
    return {fused_forward<S>, fused_backward<S>, Scratch<Compute<S>>::bytes};
}
