// Loops that the compiler turns into vectors; included once for each instruction set, inside its namespace.

inline float as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t all_ones_if(bool condition) { return ~(static_cast<std::uint32_t>(condition) - 1u); }

// Without branches, and right for subnormals, infinities and NaN: the exponent is moved to float32's bias, and what was
// subnormal loses the leading one that the move gave it.
inline void float16(const void* from, float* __restrict to, const Columns& columns) {
    const auto* __restrict bits = static_cast<const std::uint16_t*>(from);
    const std::size_t count = columns.count;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t half = bits[i], rest = (half & 0x7FFFu) << 13, exponent = rest & 0x0F800000u;
        const std::uint32_t moved = rest + 0x38000000u + (all_ones_if(exponent == 0x0F800000u) & 0x38000000u);
        const auto small = std::bit_cast<std::uint32_t>(as_float(rest + 0x38800000u) - as_float(0x38800000u));
        const std::uint32_t is_small = all_ones_if(exponent == 0);
        to[i] = as_float((small & is_small) | (moved & ~is_small) | (half & 0x8000u) << 16);
    }
}

inline void bfloat16(const void* from, float* __restrict to, const Columns& columns) {
    const auto* __restrict bits = static_cast<const std::uint16_t*>(from);
    const std::size_t count = columns.count;
    for (std::size_t i = 0; i < count; ++i) to[i] = as_float(static_cast<std::uint32_t>(bits[i]) << 16);
}

inline void int8(const void* from, float* __restrict to, const Columns& columns) {
    const auto* __restrict values = static_cast<const std::int8_t*>(from);
    const float* __restrict scale = columns.scale;
    const float* __restrict offset = columns.offset;
    const std::size_t count = columns.count;
    for (std::size_t i = 0; i < count; ++i) {
        const float product = static_cast<float>(values[i]) * scale[i];
        to[i] = product + offset[i];
    }
}
