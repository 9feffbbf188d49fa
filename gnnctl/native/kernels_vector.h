// Vectors of the compiler (GCC and clang), inside the including file's namespace and instruction set.
// Include no standard header here: its inline functions would be emitted for that instruction set.

// A vector of `Bytes` bytes that may stand at any element's address; Bytes = 0 is one plain element.
template <typename T, int Bytes>
struct Vector {
    typedef T type __attribute__((vector_size(Bytes), aligned(sizeof(T)), may_alias));
    static constexpr int lanes = Bytes / static_cast<int>(sizeof(T));
};
template <typename T>
struct Vector<T, 0> {
    typedef T type;
    static constexpr int lanes = 1;
};
template <typename T, int Bytes>
using Vec = typename Vector<T, Bytes>::type;

template <typename T>
struct SameSizeInt;
template <>
struct SameSizeInt<float> {
    using type = std::int32_t;
};
template <>
struct SameSizeInt<double> {
    using type = std::int64_t;
};

template <typename T, int Bytes>
static inline Vec<T, Bytes> load(const T* at) {
    return *reinterpret_cast<const Vec<T, Bytes>*>(at);
}
template <typename T, int Bytes>
static inline void store(T* at, const Vec<T, Bytes>& value) {
    *reinterpret_cast<Vec<T, Bytes>*>(at) = value;
}

struct Narrow {
    static std::int64_t at(const void* index, std::int64_t e) { return static_cast<const std::int32_t*>(index)[e]; }
};
struct Wide {
    static std::int64_t at(const void* index, std::int64_t e) { return static_cast<const std::int64_t*>(index)[e]; }
};
struct Own {
    static std::int64_t at(const void*, std::int64_t e) { return e; }
};
