// Order statistics of segments, a register of features at a time: no sorting, no branches on values.

// Values as integers of the same order; NaN above all, as torch sorts them, and -0 equal to 0.
template <typename S, int Bytes>
static inline Vec<typename SameSizeInt<Compute<S>>::type, Bytes> order_key(const S* at) {
    using Int = typename SameSizeInt<Compute<S>>::type;
    using Key = Vec<Int, Bytes>;
    const Vec<Compute<S>, Bytes> value = load<S, Bytes>(at) + Compute<S>(0);
    constexpr Int most = sizeof(Int) == 4 ? static_cast<Int>(0x7FFFFFFF) : static_cast<Int>(0x7FFFFFFFFFFFFFFF);
    const Key bits = bits_as<Key>(value), ordered = bits < 0 ? bits ^ most : bits;
    return value != value ? Key{} + most : ordered;
}

constexpr std::int64_t kCounted = 48;  // rows up to which every pair is compared

template <typename S>
struct Quantiles {
    using T = Compute<S>;
    using Int = typename SameSizeInt<T>::type;

    template <int Bytes>
    static void range(const QuantileArgs& a, std::int64_t first, std::int64_t last) {
        constexpr int lanes = Vector<T, Bytes>::lanes;
        const std::int64_t slots = (a.width + lanes - 1) / lanes;
        for (std::int64_t d = first; d < last; ++d)
            for (std::int64_t s = 0; s < slots; ++s) segment<Bytes>(a, d, slot_at<lanes>(s, a.width).offset);
    }

    template <int Bytes>
    static void segment(const QuantileArgs& a, std::int64_t d, std::int64_t f) {
        using Value = Vec<T, Bytes>;
        using Key = Vec<Int, Bytes>;
        const std::int64_t begin = a.edges.colptr[d], count = a.edges.colptr[d + 1] - begin;
        const S* x = static_cast<const S*>(a.x) + begin * a.width + f;
        Key places[kCounted];
        if (count <= kCounted) count_places<Bytes>(x, a.width, count, places);
        for (std::int64_t q = 0; q < a.count; ++q) {
            const Between between = between_of(a.q[q], a.interpolation, count);
            Key low = Key{} - 1, high = low;
            Value result = {};
            if (count > 0) {
                const auto find = [&](std::int64_t place) {
                    return count <= kCounted ? counted<Bytes>(places, count, place) : bisected<Bytes>(x, a.width, count, place);
                };
                low = find(between.low);
                high = between.high == between.low ? low : find(between.high);
                result = row_of<Bytes>(x, a.width, low);
                if (between.share > 0) result += (row_of<Bytes>(x, a.width, high) - result) * static_cast<T>(between.share);
            }
            store<S, Bytes>(static_cast<S*>(a.out) + (d * a.count + q) * a.width + f, result);
            std::int32_t* rank = a.rank + (d * a.count + q) * 2 * a.width + f;
            put<Bytes>(rank, low);
            put<Bytes>(rank + a.width, high);
        }
    }

    // places[e]: how many come before row e in the stable order.
    template <int Bytes>
    static void count_places(const S* x, std::int64_t width, std::int64_t count, Vec<Int, Bytes>* places) {
        Vec<Int, Bytes> keys[kCounted];
        for (std::int64_t e = 0; e < count; ++e) {
            keys[e] = order_key<S, Bytes>(x + e * width);
            places[e] = Vec<Int, Bytes>{};
        }
        for (std::int64_t e = 1; e < count; ++e)
            for (std::int64_t other = 0; other < e; ++other) {
                const Vec<Int, Bytes> after = keys[other] <= keys[e] ? Vec<Int, Bytes>{} + 1 : Vec<Int, Bytes>{};
                places[e] += after;
                places[other] += 1 - after;
            }
    }

    template <int Bytes>
    static Vec<Int, Bytes> counted(const Vec<Int, Bytes>* places, std::int64_t count, std::int64_t place) {
        Vec<Int, Bytes> found = {};
        for (std::int64_t e = 0; e < count; ++e)
            found = places[e] == static_cast<Int>(place) ? Vec<Int, Bytes>{} + static_cast<Int>(e) : found;
        return found;
    }

    // The key at `place` by halving the range of keys, then the row that holds it.
    template <int Bytes>
    static Vec<Int, Bytes> bisected(const S* x, std::int64_t width, std::int64_t count, std::int64_t place) {
        using Key = Vec<Int, Bytes>;
        Key low = order_key<S, Bytes>(x), high = low, below = {};
        for (std::int64_t e = 1; e < count; ++e) {
            const Key key = order_key<S, Bytes>(x + e * width);
            low = key < low ? key : low;
            high = key > high ? key : high;
        }
        for (unsigned step = 0; step < 8 * sizeof(Int); ++step) {
            const Key middle = (low & high) + ((low ^ high) >> 1);  // no overflow; rounds down
            Key within = {};
            for (std::int64_t e = 0; e < count; ++e)
                within += order_key<S, Bytes>(x + e * width) <= middle ? Key{} + 1 : Key{};
            const Int wanted = static_cast<Int>(place);
            high = within > wanted ? middle : high;
            low = within > wanted ? low : (low == high ? low : middle + 1);
        }
        Key equal = {}, found = {};
        for (std::int64_t e = 0; e < count; ++e)
            below += order_key<S, Bytes>(x + e * width) < low ? Key{} + 1 : Key{};
        for (std::int64_t e = 0; e < count; ++e) {
            const Key key = order_key<S, Bytes>(x + e * width);
            const Key rank = below + equal;
            const Key here = Key{} + static_cast<Int>(e);
            found = key == low ? (rank == static_cast<Int>(place) ? here : found) : found;
            equal += key == low ? Key{} + 1 : Key{};
        }
        return found;
    }

    template <int Bytes>
    static Vec<T, Bytes> row_of(const S* x, std::int64_t width, const Vec<Int, Bytes>& row) {
        if constexpr (Bytes == 0) {
            return load<S, 0>(x + row * width);
        } else {
            Vec<T, Bytes> found = {};
            for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane) found[lane] = load<S, 0>(x + row[lane] * width + lane);
            return found;
        }
    }

    template <int Bytes>
    static void put(std::int32_t* to, const Vec<Int, Bytes>& rank) {
        if constexpr (Bytes == 0) *to = static_cast<std::int32_t>(rank);
        else for (int lane = 0; lane < Vector<T, Bytes>::lanes; ++lane) to[lane] = static_cast<std::int32_t>(rank[lane]);
    }
};

template <typename S>
static void quantile(const QuantileArgs& a, std::int64_t first, std::int64_t last) {
    by_width<Quantiles<S>, Compute<S>>(a, a.width, first, last);
}
