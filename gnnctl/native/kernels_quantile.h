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

constexpr std::int64_t kCounted = 16;  // rows up to which every pair is compared
constexpr std::int64_t kKept = 512;    // rows up to which their keys are kept, in the first cache

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

    // Halves the range of keys in which the one at `place` lies until a single row or a single key is left in it.
    template <int Bytes>
    static Vec<Int, Bytes> bisected(const S* x, std::int64_t width, std::int64_t count, std::int64_t place) {
        if (count > kKept) return bisected_by<Bytes>(count, place, [&](std::int64_t e) { return order_key<S, Bytes>(x + e * width); });
        Vec<Int, Bytes> keys[kKept];
        for (std::int64_t e = 0; e < count; ++e) keys[e] = order_key<S, Bytes>(x + e * width);
        return bisected_by<Bytes>(count, place, [&](std::int64_t e) { return keys[e]; });
    }

    template <int Bytes, typename KeyOf>
    static inline Vec<Int, Bytes> bisected_by(std::int64_t count, std::int64_t place, const KeyOf& key_of) {
        using Key = Vec<Int, Bytes>;
        const Int wanted = static_cast<Int>(place);
        Key low = key_of(0), high = low;
        for (std::int64_t e = 1; e < count; ++e) {
            const Key key = key_of(e);
            low = key < low ? key : low;
            high = key > high ? key : high;
        }
        Key below = {}, upto = Key{} + static_cast<Int>(count);  // how many keys are less than low, and at most high
        while (any<Bytes>((low != high) & (upto - below != 1))) {
            const Key middle = (low & high) + ((low ^ high) >> 1);  // no overflow; rounds down
            Key within = {};
            for (std::int64_t e = 0; e < count; ++e) within += key_of(e) <= middle ? Key{} + 1 : Key{};
            const Key open = low != high ? Key{} - 1 : Key{};
            const Key left = within > wanted ? open : Key{}, right = within > wanted ? Key{} : open;
            high = left != 0 ? middle : high;
            upto = left != 0 ? within : upto;
            low = right != 0 ? middle + 1 : low;
            below = right != 0 ? within : below;
        }
        Key rank = below, found = {};
        for (std::int64_t e = 0; e < count; ++e) {
            const Key key = key_of(e), here = key < low ? Key{} : (key > high ? Key{} : Key{} + 1);
            found = here != 0 ? (rank == wanted ? Key{} + static_cast<Int>(e) : found) : found;
            rank += here;
        }
        return found;
    }

    template <int Bytes, typename Mask>
    static inline bool any(const Mask& mask) {
        if constexpr (Bytes == 0) {
            return mask != 0;
        } else {
            std::uint64_t words[Bytes / 8], all = 0;
            __builtin_memcpy(words, &mask, sizeof(words));
            for (const std::uint64_t word : words) all |= word;
            return all != 0;
        }
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
