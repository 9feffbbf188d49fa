// The innermost product: a tile of the result stays in registers while all its steps are added up.

// Registers of columns in a tile, and rows for each number of them: 24 sums and what feeds them fill 32 registers, 12
// fill 16. More rows where columns are few, so that additions do not wait for each other.
constexpr int kMostColumns = GNNCTL_VECTOR_BYTES == 64 ? 4 : 2;
constexpr int kMostRows = GNNCTL_VECTOR_BYTES == 64 ? 12 : 6;
constexpr int rows_of_tile(int columns) { return columns <= 2 ? kMostRows : 6; }

template <typename T>
struct Tile {
    const T* a;              // element (row, step) at a[row * a_row + step * a_step]
    std::int64_t a_row, a_step;
    const T* b;              // registers of one step side by side
    std::int64_t b_step;
    std::int64_t ahead;      // elements from b to what is to be fetched meanwhile, or 0
    T* c;
    std::int64_t c_row;
    std::int64_t steps;
    const T* bias;           // what the sums start from, or null: 0; where `add`, from c
    bool add;
    int last;                // columns in the last register
};

template <typename T>
using Whole = Vec<T, GNNCTL_VECTOR_BYTES>;
template <typename T>
constexpr int kLanes = GNNCTL_VECTOR_BYTES / static_cast<int>(sizeof(T));

// The first `count` elements, fewer than a register has.
template <typename T>
static inline Whole<T> load_some(const T* at, int count) {
    T copy[kLanes<T>] = {};
    for (int i = 0; i < count; ++i) copy[i] = at[i];
    return load<T, GNNCTL_VECTOR_BYTES>(copy);
}
template <typename T>
static inline void store_some(T* at, const Whole<T>& value, int count) {
    T copy[kLanes<T>];
    __builtin_memcpy(copy, &value, sizeof(copy));
    for (int i = 0; i < count; ++i) at[i] = copy[i];
}

template <typename T, int Rows, int Columns>
static void tile(const Tile<T>& t) {
    constexpr int lanes = kLanes<T>;
    Whole<T> sum[Rows][Columns] = {};
    if (t.add) {
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < Columns; ++v) {
                const T* at = t.c + r * t.c_row + v * lanes;
                sum[r][v] = v + 1 < Columns || t.last == lanes ? load<T, GNNCTL_VECTOR_BYTES>(at) : load_some(at, t.last);
            }
    } else if (t.bias != nullptr) {
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < Columns; ++v) sum[r][v] = load<T, GNNCTL_VECTOR_BYTES>(t.bias + v * lanes);
    }
    const T* a = t.a;
    const T* b = t.b;
    const std::int64_t a_row = t.a_row;
    for (std::int64_t step = 0; step < t.steps; ++step) {
        Whole<T> of_b[Columns];
#pragma GCC unroll 4
        for (int v = 0; v < Columns; ++v) {
            of_b[v] = load<T, GNNCTL_VECTOR_BYTES>(b + v * lanes);
            __builtin_prefetch(b + t.ahead + v * lanes);
        }
#pragma GCC unroll 12
        for (int r = 0; r < Rows; ++r) {
            const T of_a = a[r * a_row];
#pragma GCC unroll 4
            for (int v = 0; v < Columns; ++v) sum[r][v] += of_a * of_b[v];
        }
        a += t.a_step;
        b += t.b_step;
    }
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < Columns; ++v) {
            T* at = t.c + r * t.c_row + v * lanes;
            if (v + 1 < Columns || t.last == lanes) store<T, GNNCTL_VECTOR_BYTES>(at, sum[r][v]);
            else store_some(at, sum[r][v], t.last);
        }
}

template <typename T, int Columns>
static void tile_of_rows(const Tile<T>& t, int rows) {
    switch (rows) {
        case 1: return tile<T, 1, Columns>(t);
        case 2: return tile<T, 2, Columns>(t);
        case 3: return tile<T, 3, Columns>(t);
        case 4: return tile<T, 4, Columns>(t);
        case 5: return tile<T, 5, Columns>(t);
        case 6: return tile<T, 6, Columns>(t);
    }
    if constexpr (rows_of_tile(Columns) > 6) {
        switch (rows) {
            case 7: return tile<T, 7, Columns>(t);
            case 8: return tile<T, 8, Columns>(t);
            case 9: return tile<T, 9, Columns>(t);
            case 10: return tile<T, 10, Columns>(t);
            case 11: return tile<T, 11, Columns>(t);
            default: return tile<T, 12, Columns>(t);
        }
    }
}

template <typename T>
static void tile_of(const Tile<T>& t, int rows, int columns) {
    switch (columns) {
        case 1: return tile_of_rows<T, 1>(t, rows);
        case 2: return tile_of_rows<T, 2>(t, rows);
    }
    if constexpr (kMostColumns > 2) {
        if (columns == 3) return tile_of_rows<T, 3>(t, rows);
        return tile_of_rows<T, 4>(t, rows);
    }
}
