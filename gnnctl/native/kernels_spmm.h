// Sparse-dense products over destination-sorted edges, with a block of features held in registers.

constexpr int kAhead = 8;              // edges between a prefetch and its use
constexpr std::int64_t kTile = 32;     // destinations whose edges stay in the first cache between feature blocks

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

template <typename Index, typename T>
static inline void prefetch_row(const SpmmArgs& a, std::int64_t e, std::int64_t limit, const Slot* slots, int count,
                                std::int64_t stride) {
    if (e >= limit) return;
    const T* ahead = static_cast<const T*>(a.x) + Index::at(a.row, e + kAhead) * stride;
    for (int v = 0; v < count; ++v) __builtin_prefetch(ahead + slots[v].offset);
    if (a.perm != nullptr && a.weight != nullptr)
        __builtin_prefetch(static_cast<const T*>(a.weight) + Index::at(a.perm, e + kAhead) * a.heads);
}

enum class Weight { none, position, permuted };

// Runs Op::tile over blocks of destinations and of at most eight registers of features.
template <typename Op>
struct Tiled {
    template <typename T, typename Index, Weight W, int Bytes>
    static void range(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t slots = a.heads * ((a.width + lanes - 1) / lanes);
        const std::int64_t limit = a.row == nullptr ? 0 : a.last_edge - kAhead;
        for (std::int64_t d = first; d < last; d += kTile) {
            const std::int64_t stop = d + kTile < last ? d + kTile : last;
            for (std::int64_t s = 0; s < slots;) {
                Slot block[8];
                const std::int64_t left = slots - s;
                const int count = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
                for (int v = 0; v < count; ++v) block[v] = slot_at<lanes>(s + v, a.width);
                switch (count) {
                    case 8: Op::template tile<T, Index, W, Bytes, 8>(a, d, stop, limit, block); break;
                    case 4: Op::template tile<T, Index, W, Bytes, 4>(a, d, stop, limit, block); break;
                    case 2: Op::template tile<T, Index, W, Bytes, 2>(a, d, stop, limit, block); break;
                    default: Op::template tile<T, Index, W, Bytes, 1>(a, d, stop, limit, block); break;
                }
                s += count;
            }
        }
    }
};

struct Sum : Tiled<Sum> {
    template <typename T, typename Index, Weight W, int Bytes, int V>
    static void tile(const SpmmArgs& a, std::int64_t first, std::int64_t last, std::int64_t limit, const Slot* given) {
        using Value = Vec<T, Bytes>;
        const std::int64_t stride = a.heads * a.width;
        const T* x = static_cast<const T*>(a.x);
        const T* weight = static_cast<const T*>(a.weight);
        T* out = static_cast<T*>(a.out);
        Slot slots[V];
        for (int v = 0; v < V; ++v) slots[v] = given[v];
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = a.colptr[d], end = a.colptr[d + 1];
            Value sum[V] = {};
            for (std::int64_t e = begin; e < end; ++e) {
                prefetch_row<Index, T>(a, e, limit, slots, V, stride);
                const T* source = x + Index::at(a.row, e) * stride;
                if constexpr (W == Weight::none) {
#pragma GCC unroll 8
                    for (int v = 0; v < V; ++v) sum[v] += load<T, Bytes>(source + slots[v].offset);
                } else {
                    const T* w = weight + (W == Weight::permuted ? Index::at(a.perm, e) : e) * a.heads;
#pragma GCC unroll 8
                    for (int v = 0; v < V; ++v) sum[v] += w[slots[v].head] * load<T, Bytes>(source + slots[v].offset);
                }
            }
            const T scale = a.mean && end - begin > 1 ? T(1) / static_cast<T>(end - begin) : T(1);
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) store<T, Bytes>(out + d * stride + slots[v].offset, sum[v] * scale);
        }
    }
};

struct Extremum : Tiled<Extremum> {
    template <typename T, typename Index, Weight W, int Bytes, int V>
    static void tile(const SpmmArgs& a, std::int64_t first, std::int64_t last, std::int64_t limit, const Slot* given) {
        using Int = typename SameSizeInt<T>::type;
        using Value = Vec<T, Bytes>;
        using Rank = Vec<Int, Bytes>;
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t stride = a.heads * a.width;
        const T* x = static_cast<const T*>(a.x);
        const T* weight = static_cast<const T*>(a.weight);
        const T sign = a.minimum ? T(-1) : T(1);  // a minimum is the maximum of the negated
        T* out = static_cast<T*>(a.out);
        Slot slots[V];
        for (int v = 0; v < V; ++v) slots[v] = given[v];
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = a.colptr[d], end = a.colptr[d + 1];
            Value best[V] = {};
            Rank rank[V] = {};
            for (int v = 0; v < V; ++v) rank[v] = rank[v] - 1;
            for (std::int64_t e = begin; e < end; ++e) {
                prefetch_row<Index, T>(a, e, limit, slots, V, stride);
                const T* source = x + Index::at(a.row, e) * stride;
                const Int here = static_cast<Int>(e - begin);
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) {
                    T factor = sign;
                    if constexpr (W != Weight::none) factor *= weight[e * a.heads + slots[v].head];
                    const Value value = factor * load<T, Bytes>(source + slots[v].offset);
                    // The first edge is taken whatever it holds; a NaN is taken and then kept.
                    const auto take = (value > best[v]) | (value != value) | (rank[v] < 0);
                    best[v] = take ? value : best[v];
                    rank[v] = take ? (rank[v] & Int(0)) + here : rank[v];
                }
            }
            for (int v = 0; v < V; ++v) {
                const std::int64_t at = d * stride + slots[v].offset;
                store<T, Bytes>(out + at, sign * best[v]);
                const Int* ranks = reinterpret_cast<const Int*>(&rank[v]);
                for (int lane = 0; lane < lanes; ++lane) a.arg[at + lane] = static_cast<std::int32_t>(ranks[lane]);
            }
        }
    }
};

// Here "destinations" are the sources of the graph and `row` its destinations (a transposed view): each gathers the
// gradient of the outputs that chose one of its edges.
struct SelectedSum : Tiled<SelectedSum> {
    template <typename T, typename Index, Weight W, int Bytes, int V>
    static void tile(const SpmmArgs& a, std::int64_t first, std::int64_t last, std::int64_t limit, const Slot* given) {
        using Value = Vec<T, Bytes>;
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t stride = a.heads * a.width;
        const T* x = static_cast<const T*>(a.x);
        const T* weight = static_cast<const T*>(a.weight);
        T* out = static_cast<T*>(a.out);
        Slot slots[V];
        for (int v = 0; v < V; ++v) slots[v] = given[v];
        for (std::int64_t d = first; d < last; ++d) {
            Value sum[V] = {};
            for (std::int64_t e = a.colptr[d]; e < a.colptr[d + 1]; ++e) {
                prefetch_row<Index, T>(a, e, limit, slots, V, stride);
                if (e < limit) {
                    const std::int32_t* ahead = a.arg + Index::at(a.row, e + kAhead) * stride;
                    for (int v = 0; v < V; ++v) __builtin_prefetch(ahead + slots[v].offset);
                }
                const std::int64_t target = Index::at(a.row, e), position = Index::at(a.perm, e);
                const std::int32_t rank = static_cast<std::int32_t>(position - a.origin[target]);
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) {
                    const std::int64_t at = target * stride + slots[v].offset;
                    Value value = load<T, Bytes>(x + at);
                    if constexpr (sizeof(T) == sizeof(std::int32_t)) {
                        value = load<std::int32_t, Bytes>(a.arg + at) == rank ? value : Value{};
                    } else {
                        T chosen[lanes];
                        for (int lane = 0; lane < lanes; ++lane)
                            chosen[lane] = a.arg[at + lane] == rank ? x[at + lane] : T(0);
                        value = load<T, Bytes>(chosen);
                    }
                    if constexpr (W != Weight::none) value *= weight[position * a.heads + slots[v].head];
                    sum[v] += value;
                }
            }
            for (int v = 0; v < V; ++v) store<T, Bytes>(out + d * stride + slots[v].offset, sum[v]);
        }
    }
};

template <typename Op, typename T, typename Index, Weight W>
static void by_width(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
    if constexpr (GNNCTL_VECTOR_BYTES >= 64) {
        if (a.width >= static_cast<std::int64_t>(64 / sizeof(T))) return Op::template range<T, Index, W, 64>(a, first, last);
    }
    if constexpr (GNNCTL_VECTOR_BYTES >= 32) {
        if (a.width >= static_cast<std::int64_t>(32 / sizeof(T))) return Op::template range<T, Index, W, 32>(a, first, last);
    }
    if (a.width >= static_cast<std::int64_t>(16 / sizeof(T))) return Op::template range<T, Index, W, 16>(a, first, last);
    Op::template range<T, Index, W, 0>(a, first, last);
}

template <typename T>
static void sum(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
    if (a.row == nullptr) return by_width<Sum, T, Own, Weight::none>(a, first, last);
    if (a.weight == nullptr)
        return a.wide ? by_width<Sum, T, Wide, Weight::none>(a, first, last)
                      : by_width<Sum, T, Narrow, Weight::none>(a, first, last);
    if (a.perm == nullptr)
        return a.wide ? by_width<Sum, T, Wide, Weight::position>(a, first, last)
                      : by_width<Sum, T, Narrow, Weight::position>(a, first, last);
    return a.wide ? by_width<Sum, T, Wide, Weight::permuted>(a, first, last)
                  : by_width<Sum, T, Narrow, Weight::permuted>(a, first, last);
}

template <typename T>
static void extremum(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
    if (a.row == nullptr) return by_width<Extremum, T, Own, Weight::none>(a, first, last);
    if (a.weight == nullptr)
        return a.wide ? by_width<Extremum, T, Wide, Weight::none>(a, first, last)
                      : by_width<Extremum, T, Narrow, Weight::none>(a, first, last);
    return a.wide ? by_width<Extremum, T, Wide, Weight::position>(a, first, last)
                  : by_width<Extremum, T, Narrow, Weight::position>(a, first, last);
}

template <typename T>
static void selected_sum(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
    if (a.weight == nullptr)
        return a.wide ? by_width<SelectedSum, T, Wide, Weight::none>(a, first, last)
                      : by_width<SelectedSum, T, Narrow, Weight::none>(a, first, last);
    return a.wide ? by_width<SelectedSum, T, Wide, Weight::permuted>(a, first, last)
                  : by_width<SelectedSum, T, Narrow, Weight::permuted>(a, first, last);
}

// The sum of a vector's elements, by halves.
template <typename T, int Bytes>
static inline T total_of(const Vec<T, Bytes>& value) {
    if constexpr (Bytes == 0) {
        return value;
    } else if constexpr (Bytes == sizeof(T)) {
        return value[0];
    } else {
        Vec<T, Bytes / 2> low, high;
        __builtin_memcpy(&low, &value, Bytes / 2);
        __builtin_memcpy(&high, reinterpret_cast<const char*>(&value) + Bytes / 2, Bytes / 2);
        return total_of<T, Bytes / 2>(low + high);
    }
}

struct Dots {
    template <typename T, typename Index, Weight, int Bytes>
    static void range(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t stride = a.heads * a.width, limit = a.last_edge - kAhead;
        const T* x = static_cast<const T*>(a.x);
        const T* grad = static_cast<const T*>(a.grad);
        T* out = static_cast<T*>(a.out);
        for (std::int64_t d = first; d < last; ++d) {
            const std::int64_t begin = a.colptr[d], end = a.colptr[d + 1];
            const T scale = a.mean && end - begin > 1 ? T(1) / static_cast<T>(end - begin) : T(1);
            for (std::int64_t e = begin; e < end; ++e) {
                if (e < limit) {
                    const T* ahead = x + Index::at(a.row, e + kAhead) * stride;
                    for (std::int64_t f = 0; f < stride; f += 64 / static_cast<std::int64_t>(sizeof(T)))
                        __builtin_prefetch(ahead + f);
                }
                const T* source = x + Index::at(a.row, e) * stride;
                const std::int32_t rank = static_cast<std::int32_t>(e - begin);
                for (std::int64_t h = 0; h < a.heads; ++h) {
                    const T* left = grad + d * stride + h * a.width;
                    const T* right = source + h * a.width;
                    T total = 0;
                    std::int64_t f = 0;
                    if (a.arg != nullptr) {
                        const std::int32_t* chosen = a.arg + d * stride + h * a.width;
                        for (; f < a.width; ++f) total += chosen[f] == rank ? left[f] * right[f] : T(0);
                    } else {
                        Vec<T, Bytes> partial = {};
                        for (; f + lanes <= a.width; f += lanes)
                            partial += load<T, Bytes>(left + f) * load<T, Bytes>(right + f);
                        total = total_of<T, Bytes>(partial);
                        for (; f < a.width; ++f) total += left[f] * right[f];
                    }
                    out[e * a.heads + h] = total * scale;
                }
            }
        }
    }
};

template <typename T>
static void sddmm(const SpmmArgs& a, std::int64_t first, std::int64_t last) {
    return a.wide ? by_width<Dots, T, Wide, Weight::none>(a, first, last)
                  : by_width<Dots, T, Narrow, Weight::none>(a, first, last);
}
