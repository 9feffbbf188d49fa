// Products of one group, tile by tile; b is copied into the order of the tiles where reading it in place is slower.

constexpr std::int64_t kSteps = 512;        // of k in one go: what is packed of b stays in the second cache
constexpr std::int64_t kRowsInCache = 128;  // of a and b, in outer
constexpr std::int64_t kCacheBytes = 1 << 18;

// Columns cut into tiles of nearly equal numbers of registers.
template <typename T>
struct Blocks {
    std::int64_t columns, registers, count;

    explicit Blocks(std::int64_t m)
        : columns(m), registers((m + kLanes<T> - 1) / kLanes<T>), count((registers + kMostColumns - 1) / kMostColumns) {}
    std::int64_t first(std::int64_t block) const { return registers * block / count; }
    int size(std::int64_t block) const { return static_cast<int>(first(block + 1) - first(block)); }
    int last(std::int64_t block) const {
        const std::int64_t left = columns - (first(block + 1) - 1) * kLanes<T>;
        return static_cast<int>(left < kLanes<T> ? left : kLanes<T>);
    }
};

// `rows` steps of one block of a row-major matrix, zeros behind its last column.
template <typename T>
static void pack(const T* from, std::int64_t stride, std::int64_t rows, int registers, int last, T* to) {
    for (std::int64_t r = 0; r < rows; ++r, from += stride) {
        for (int v = 0; v + 1 < registers; ++v, to += kLanes<T>) store<T, GNNCTL_VECTOR_BYTES>(to, load<T, GNNCTL_VECTOR_BYTES>(from + v * kLanes<T>));
        const T* end = from + (registers - 1) * kLanes<T>;
        store<T, GNNCTL_VECTOR_BYTES>(to, last == kLanes<T> ? load<T, GNNCTL_VECTOR_BYTES>(end) : load_some(end, last));
        to += kLanes<T>;
    }
}

// Sixteen bytes by sixteen bytes, or with the widest registers 64 by 64.
static inline void transpose_square(const float* from, std::int64_t stride, float* to, std::int64_t to_stride) {
    using Four = Vec<float, 16>;
    const Four r0 = load<float, 16>(from), r1 = load<float, 16>(from + stride);
    const Four r2 = load<float, 16>(from + 2 * stride), r3 = load<float, 16>(from + 3 * stride);
    const Four low = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), high = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const Four low2 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), high2 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    store<float, 16>(to, __builtin_shufflevector(low, low2, 0, 1, 4, 5));
    store<float, 16>(to + to_stride, __builtin_shufflevector(low, low2, 2, 3, 6, 7));
    store<float, 16>(to + 2 * to_stride, __builtin_shufflevector(high, high2, 0, 1, 4, 5));
    store<float, 16>(to + 3 * to_stride, __builtin_shufflevector(high, high2, 2, 3, 6, 7));
}
#if GNNCTL_VECTOR_BYTES == 64
#define GNNCTL_PAIRS(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
static inline void transpose_sixteen(const float* from, std::int64_t stride, float* to, std::int64_t to_stride) {
    using Row = Vec<float, 64>;
    Row rows[16], mixed[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = load<float, 64>(from + i * stride);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {  // pairs of elements
        mixed[i] = GNNCTL_PAIRS(rows[i], rows[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        mixed[i + 1] = GNNCTL_PAIRS(rows[i], rows[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4)  // of four rows
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
            const Row low = mixed[i + j], high = mixed[i + j + 2];
            rows[i + 2 * j] = GNNCTL_PAIRS(low, high, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
            rows[i + 2 * j + 1] = GNNCTL_PAIRS(low, high, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
        }
    // rows[4 g + j] has, for rows 4 g .. 4 g + 3, the columns j, j + 4, j + 8 and j + 12
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
        const Row a = GNNCTL_PAIRS(rows[j], rows[4 + j], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const Row b = GNNCTL_PAIRS(rows[j], rows[4 + j], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        const Row c = GNNCTL_PAIRS(rows[8 + j], rows[12 + j], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        const Row d = GNNCTL_PAIRS(rows[8 + j], rows[12 + j], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
        // a and c: columns j and j + 8 of rows 0-3, 4-7 and 8-11, 12-15
        store<float, 64>(to + j * to_stride, GNNCTL_PAIRS(a, c, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27));
        store<float, 64>(to + (j + 4) * to_stride, GNNCTL_PAIRS(b, d, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27));
        store<float, 64>(to + (j + 8) * to_stride, GNNCTL_PAIRS(a, c, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
        store<float, 64>(to + (j + 12) * to_stride, GNNCTL_PAIRS(b, d, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
    }
}
#undef GNNCTL_PAIRS
#endif
static inline void transpose_square(const double* from, std::int64_t stride, double* to, std::int64_t to_stride) {
    using Two = Vec<double, 16>;
    const Two r0 = load<double, 16>(from), r1 = load<double, 16>(from + stride);
    store<double, 16>(to, __builtin_shufflevector(r0, r1, 0, 2));
    store<double, 16>(to + to_stride, __builtin_shufflevector(r0, r1, 1, 3));
}

// The same of a matrix whose rows are the product's columns.
template <typename T>
static void pack_transposed(const T* from, std::int64_t stride, std::int64_t rows, int registers, int last, T* to) {
    constexpr int square = 16 / static_cast<int>(sizeof(T));
    const std::int64_t width = registers * kLanes<T>, columns = width - kLanes<T> + last;
    std::int64_t c = 0;
#if GNNCTL_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) {
        for (; c + 16 <= columns; c += 16) {
            std::int64_t r = 0;
            for (; r + 16 <= rows; r += 16) transpose_sixteen(from + c * stride + r, stride, to + r * width + c, width);
            for (; r < rows; ++r)
                for (int i = 0; i < 16; ++i) to[r * width + c + i] = from[(c + i) * stride + r];
        }
    }
#endif
    for (; c + square <= columns; c += square) {
        std::int64_t r = 0;
        for (; r + square <= rows; r += square) transpose_square(from + c * stride + r, stride, to + r * width + c, width);
        for (; r < rows; ++r)
            for (int i = 0; i < square; ++i) to[r * width + c + i] = from[(c + i) * stride + r];
    }
    for (; c < width; ++c)
        for (std::int64_t r = 0; r < rows; ++r) to[r * width + c] = c < columns ? from[c * stride + r] : T(0);
}

// All rows of one block of columns, in tiles of nearly equal height.
template <typename T>
static void tiles_of(Tile<T> t, std::int64_t rows, int columns) {
    const T* a = t.a;
    T* c = t.c;
    const std::int64_t count = (rows + rows_of_tile(columns) - 1) / rows_of_tile(columns);
    for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t first = rows * i / count, next = rows * (i + 1) / count;
        t.a = a + first * t.a_row;
        t.c = c + first * t.c_row;
        tile_of<T>(t, static_cast<int>(next - first), columns);
    }
}

template <typename T>
static void product(const MatmulGroup& g, const MatmulPart& part) {
    const Blocks<T> blocks(g.m);
    const T* a = static_cast<const T*>(g.a);
    const T* b = static_cast<const T*>(g.b);
    T* c = static_cast<T*>(g.c);
    const std::int64_t padded = blocks.registers * kLanes<T>, rows = part.last - part.first;
    T* bias = static_cast<T*>(part.scratch);
    T* packed = bias + padded;
    if (g.bias != nullptr)
        for (std::int64_t i = 0; i < padded; ++i) bias[i] = i < g.m ? static_cast<const T*>(g.bias)[i] : T(0);
    const bool direct = !g.transposed && padded == g.m && (blocks.count == 1 || rows <= 2 * kMostRows);
    const std::int64_t fitting = kCacheBytes / static_cast<std::int64_t>(sizeof(T)) / (g.k < kSteps ? g.k + 1 : kSteps);
    const std::int64_t height = fitting / kMostRows * kMostRows;
    for (std::int64_t from = 0; from == 0 || from < g.k; from += kSteps) {
        const std::int64_t steps = g.k - from < kSteps ? g.k - from : kSteps;
        for (std::int64_t block = 0; !direct && block < blocks.count; ++block) {
            const std::int64_t column = blocks.first(block) * kLanes<T>;
            T* to = packed + column * steps;
            if (g.transposed) pack_transposed(b + column * g.k + from, g.k, steps, blocks.size(block), blocks.last(block), to);
            else pack(b + from * g.m + column, g.m, steps, blocks.size(block), blocks.last(block), to);
        }
        for (std::int64_t row = part.first; row < part.last; row += height) {
            const std::int64_t count = part.last - row < height ? part.last - row : height;
            for (std::int64_t block = 0; block < blocks.count; ++block) {
                const std::int64_t column = blocks.first(block) * kLanes<T>;
                Tile<T> t;
                t.a = a + row * g.k + from;
                t.a_row = g.k;
                t.a_step = 1;
                t.b = direct ? b + from * g.m + column : packed + column * steps;
                t.b_step = direct ? g.m : blocks.size(block) * kLanes<T>;
                // What is read in order the processor fetches by itself; what is read across it does not.
                t.ahead = part.next_b == nullptr || !g.transposed ? 0 : static_cast<const T*>(part.next_b) + column * g.k + from * blocks.size(block) * kLanes<T> - t.b;
                t.c = c + row * g.m + column;
                t.c_row = g.m;
                t.steps = steps;
                t.bias = g.bias == nullptr ? nullptr : bias + column;
                t.add = from > 0;
                t.last = blocks.last(block);
                tiles_of(t, count, blocks.size(block));
            }
        }
    }
}

template <typename T>
static void outer(const MatmulGroup& g, const MatmulPart& part) {
    const Blocks<T> blocks(g.m);
    const T* a = static_cast<const T*>(g.a);
    const T* b = static_cast<const T*>(g.b);
    T* c = static_cast<T*>(g.c);
    T* packed = static_cast<T*>(part.scratch);
    const bool direct = blocks.registers * kLanes<T> == g.m && blocks.count == 1;
    for (std::int64_t row = part.begin; row == part.begin || row < part.end; row += kRowsInCache) {
        const std::int64_t steps = part.end - row < kRowsInCache ? part.end - row : kRowsInCache;
        for (std::int64_t block = 0; block < blocks.count; ++block) {
            const std::int64_t column = blocks.first(block) * kLanes<T>;
            if (!direct) pack(b + row * g.m + column, g.m, steps, blocks.size(block), blocks.last(block), packed);
            Tile<T> t;
            t.a = a + row * g.k + part.first;
            t.a_row = 1;
            t.a_step = g.k;
            t.b = direct ? b + row * g.m : packed;
            t.b_step = direct ? g.m : blocks.size(block) * kLanes<T>;
            t.ahead = 0;
            t.c = c + part.first * g.m + column;
            t.c_row = g.m;
            t.steps = steps;
            t.bias = nullptr;
            t.add = row > part.begin;
            t.last = blocks.last(block);
            tiles_of(t, part.last - part.first, blocks.size(block));
        }
    }
}

template <typename T>
static std::int64_t matmul_scratch(std::int64_t k, std::int64_t m) {
    const std::int64_t padded = Blocks<T>(m).registers * kLanes<T>;
    const std::int64_t steps = k < kSteps ? (k < kRowsInCache ? kRowsInCache : k) : kSteps;
    return (padded * (steps + 1)) * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
constexpr MatmulTable matmul_table() {
    return {product<T>, outer<T>, matmul_scratch<T>};
}
