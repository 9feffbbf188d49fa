// Dropout whose mask is a function of a key: nothing of it is kept for the backward pass, which draws it again.
// Included once for each instruction set, inside its namespace; every one draws the same bits.

// Eight generators side by side, xoshiro256++ (Blackman and Vigna, 2021), 16 bits an element.
struct DropoutStream {
    static constexpr int kLanes = 8, kElements = 4 * kLanes;
    typedef std::uint64_t Words __attribute__((vector_size(8 * kLanes)));
    Words s0, s1, s2, s3;

    DropoutStream(std::uint64_t key, std::uint64_t block) {
        std::uint64_t z = key ^ ((block + 1) * 0xD1B54A32D192ED03ULL);
        Words* const words[] = {&s0, &s1, &s2, &s3};
        for (Words* word : words)
            for (int lane = 0; lane < kLanes; ++lane) {  // SplitMix64, as their authors seed them
                z += 0x9E3779B97F4A7C15ULL;
                std::uint64_t v = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
                v = (v ^ (v >> 27)) * 0x94D049BB133111EBULL;
                (*word)[lane] = v ^ (v >> 31);
            }
    }
    void next(Words& drawn) {
        const Words sum = s0 + s3, shifted = s1 << 17;
        drawn = ((sum << 23) | (sum >> 41)) + s0;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = (s3 << 45) | (s3 >> 19);
    }
};

static inline void dropout(const DropoutArgs& args, std::int64_t first, std::int64_t last) {
    constexpr int kWidth = GNNCTL_VECTOR_BYTES / 4;
    typedef float Floats __attribute__((vector_size(4 * kWidth), aligned(4), may_alias));
    typedef std::int32_t Ints __attribute__((vector_size(4 * kWidth)));
    typedef std::uint16_t Halves __attribute__((vector_size(2 * kWidth)));
    const auto threshold = static_cast<std::int32_t>(args.threshold);
    for (std::int64_t block = first; block < last; ++block) {
        DropoutStream stream(args.key, static_cast<std::uint64_t>(block));
        const std::int64_t past = (block + 1) * kDropoutBlock, end = past < args.count ? past : args.count;
        std::int64_t at = block * kDropoutBlock;
        for (; at + DropoutStream::kElements <= end; at += DropoutStream::kElements) {
            DropoutStream::Words drawn;
            stream.next(drawn);
            for (int j = 0; j < DropoutStream::kElements; j += kWidth) {
                Halves bits;
                __builtin_memcpy(&bits, reinterpret_cast<const char*>(&drawn) + 2 * j, sizeof bits);
                const Ints kept = __builtin_convertvector(bits, Ints) >= threshold;
                const Floats scaled = *reinterpret_cast<const Floats*>(args.x + at + j) * args.scale;
                *reinterpret_cast<Floats*>(args.out + at + j) = (Floats)((Ints)scaled & kept);
            }
        }
        if (at == end) continue;
        DropoutStream::Words drawn;
        stream.next(drawn);
        std::uint16_t bits[DropoutStream::kElements];
        __builtin_memcpy(bits, &drawn, sizeof bits);
        for (int j = 0; at < end; ++at, ++j) args.out[at] = static_cast<std::int32_t>(bits[j]) < threshold ? 0.0F : args.x[at] * args.scale;
    }
}
