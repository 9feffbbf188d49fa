// Aggregation of messages over destination-sorted edges, with a block of features held in registers.

constexpr int kAhead = 8;                   // edges between a prefetch and its use
constexpr std::int64_t kTile = 32;          // destinations whose edges stay in the first cache between feature blocks
constexpr std::int64_t kWindow = 512;       // edges whose indices are resolved at once
constexpr std::int64_t kWindowWeights = kMostHeads;

// One register's worth of features: where it starts in a row, and its head.
struct Slot {
    std::int64_t offset;
    std::int64_t head;
};

// Registers overlap at the end of a head where its width is no multiple of their lanes: the doubled features are
// computed twice, to the same value.
template <int Lanes>
static inline Slot slot_at(std::int64_t index, std::int64_t width) {
    const std::int64_t per_head = (width + Lanes - 1) / Lanes;
    const std::int64_t head = index / per_head, start = (index % per_head) * Lanes;
    return {head * width + (start + Lanes <= width ? start : width - Lanes), head};
}

// Where the rows and weights of the edges [start, stop) stand, so that the inner loop meets no choice of index type.
template <typename T, bool Weighted>
struct Window {
    std::int64_t start = 0, stop = 0, last = 0;
    const T* weight = nullptr;            // (stop - start, heads)
    std::int64_t offset[kWindow + kAhead];  // in elements of x; the last ones are only prefetched
    T gathered[Weighted ? kWindowWeights : 1];

    __attribute__((noinline)) void fill(const Messages& m, std::int64_t from) {
        const Edges& edges = m.edges;
        const std::int64_t most = Weighted && edges.perm != nullptr ? kWindowWeights / m.heads : kWindow;
        const std::int64_t count = last - from < kWindow ? last - from : kWindow;
        start = from;
        stop = from + (count < most ? count : most);
        const std::int64_t known = edges.num_edges - from < kWindow + kAhead ? edges.num_edges - from : kWindow + kAhead;
        const std::int64_t size = m.heads * m.width;
        if (edges.row == nullptr) place(known, [&](std::int64_t i) { return (from + i) * size; });
        else if (edges.wide) place(known, [&](std::int64_t i) { return static_cast<const std::int64_t*>(edges.row)[from + i] * size; });
        else place(known, [&](std::int64_t i) { return static_cast<const std::int32_t*>(edges.row)[from + i] * size; });
        if constexpr (Weighted) {
            const T* weights = static_cast<const T*>(m.weight);
            weight = edges.perm == nullptr ? weights + from * m.heads : gathered;
            if (edges.perm == nullptr) return;
            if (edges.wide) gather(weights, static_cast<const std::int64_t*>(edges.perm) + from, m.heads);
            else gather(weights, static_cast<const std::int32_t*>(edges.perm) + from, m.heads);
        }
    }

    template <typename Index>
    inline void gather(const T* weights, const Index* perm, std::int64_t heads) {
        const std::int64_t count = stop - start;
        if (heads == 1) {
            for (std::int64_t i = 0; i < count; ++i) gathered[i] = weights[perm[i]];
        } else {
            for (std::int64_t i = 0; i < count; ++i)
                for (std::int64_t h = 0; h < heads; ++h) gathered[i * heads + h] = weights[perm[i] * heads + h];
        }
    }

    template <typename At>
    inline void place(std::int64_t known, const At& at) {
        for (std::int64_t i = 0; i < known; ++i) offset[i] = at(i);
        for (std::int64_t i = known; i < kWindow + kAhead; ++i) offset[i] = offset[known - 1];
    }
};

// Runs an accumulator over blocks of destinations and of at most `most` registers of features.
template <typename S, bool Weighted, template <typename, int, int> class Accumulator>
struct Aggregation {
    using T = Compute<S>;

    template <int Bytes>
    static void range(const AggregateArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes, most = Accumulator<S, Bytes, 1>::most;
        const Messages& m = a.messages;
        const std::int64_t slots = m.heads * ((m.width + lanes - 1) / lanes);
        for (std::int64_t d = first; d < last; d += kTile) {
            const std::int64_t stop = d + kTile < last ? d + kTile : last;
            for (std::int64_t s = 0; s < slots;) {
                Slot block[most];
                const std::int64_t left = slots - s < most ? slots - s : most;
                const int count = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
                for (int v = 0; v < count; ++v) block[v] = slot_at<lanes>(s + v, m.width);
                switch (count) {
                    case 8: if constexpr (most >= 8) tile<Bytes, 8>(a, d, stop, block); break;
                    case 4: if constexpr (most >= 4) tile<Bytes, 4>(a, d, stop, block); break;
                    case 2: tile<Bytes, 2>(a, d, stop, block); break;
                    default: tile<Bytes, 1>(a, d, stop, block); break;
                }
                s += count;
            }
        }
    }

    template <int Bytes, int V>
    static void tile(const AggregateArgs& a, std::int64_t first, std::int64_t last, const Slot* given) {
        constexpr int bytes = Vector<T, Bytes>::lanes * static_cast<int>(sizeof(S)), per_line = bytes >= 64 ? 1 : 64 / bytes;
        const std::int64_t* colptr = a.messages.edges.colptr;
        const std::int64_t heads = a.messages.heads, size = heads * a.messages.width;
        const S* x = static_cast<const S*>(a.messages.x);
        Slot slots[V];
        for (int v = 0; v < V; ++v) slots[v] = given[v];
        Window<T, Weighted> window;
        window.last = colptr[last];
        const auto message = [&](std::int64_t e, int v) __attribute__((always_inline)) {
            const Vec<T, Bytes> value = load<S, Bytes>(x + window.offset[e - window.start] + slots[v].offset);
            if constexpr (Weighted) return window.weight[(e - window.start) * heads + slots[v].head] * value;
            else return value;
        };
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = colptr[d], end = colptr[d + 1];
            Accumulator<S, Bytes, V> found;
            if (begin == end) {
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) found.begin(v, Vec<T, Bytes>{}, -1);
            } else {
                if (begin >= window.stop) window.fill(a.messages, begin);
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) found.begin(v, message(begin, v), 0);
            }
            for (std::int64_t e = begin + 1; e < end;) {
                if (e >= window.stop) window.fill(a.messages, e);
                const std::int64_t stop = end < window.stop ? end : window.stop;
                for (; e < stop; ++e) {
                    const S* ahead = x + window.offset[e - window.start + kAhead];
                    for (int v = 0; v < V; v += per_line) __builtin_prefetch(ahead + slots[v].offset);
#pragma GCC unroll 8
                    for (int v = 0; v < V; ++v) found.take(v, message(e, v), e - begin);
                }
            }
            const T inverse = end - begin > 1 ? T(1) / static_cast<T>(end - begin) : T(1);
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v)
                found.end(v, a, d * a.stride + slots[v].offset, d * size + slots[v].offset, inverse);
        }
    }
};

template <typename S, template <typename, int, int> class Accumulator>
static void aggregate_with(const AggregateArgs& a, std::int64_t first, std::int64_t last) {
    if (a.messages.weight == nullptr) by_width<Aggregation<S, false, Accumulator>, Compute<S>>(a, a.messages.width, first, last);
    else by_width<Aggregation<S, true, Accumulator>, Compute<S>>(a, a.messages.width, first, last);
}

// The least work that yields what is wanted.
template <typename S>
static void aggregate_wanted(const AggregateArgs& a, std::int64_t first, std::int64_t last) {
    if (a.out[kMul] != nullptr) return aggregate_with<S, Product>(a, first, last);
    const bool linear = a.out[kSum] != nullptr || a.out[kMean] != nullptr, moments = a.out[kVar] != nullptr || a.out[kStd] != nullptr;
    const bool least = a.out[kMin] != nullptr, greatest = a.out[kMax] != nullptr;
    if (moments && (least || greatest)) return aggregate_with<S, Everything>(a, first, last);
    if (moments) return aggregate_with<S, Moments>(a, first, last);
    if (!least && !greatest) return aggregate_with<S, Sum>(a, first, last);
    if (a.argmin != nullptr || a.argmax != nullptr) {
        if (linear) return aggregate_with<S, RankedSumAndExtremes>(a, first, last);
        if (least && greatest) return aggregate_with<S, RankedExtremes>(a, first, last);
        if (least) return aggregate_with<S, RankedLeast>(a, first, last);
        return aggregate_with<S, RankedMost>(a, first, last);
    }
    if (linear) return aggregate_with<S, SumAndExtremes>(a, first, last);
    if (least && greatest) return aggregate_with<S, Extremes>(a, first, last);
    if (least) return aggregate_with<S, Least>(a, first, last);
    aggregate_with<S, Most>(a, first, last);
}

template <typename S>
static void aggregate(const AggregateArgs& a, std::int64_t first, std::int64_t last) {
    aggregate_wanted<S>(a, first, last);
    finish_streaming(a.streaming);
}
