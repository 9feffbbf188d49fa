// Feature values stored in fewer bytes, made float32 again: float16, bfloat16 (as its bits) and int8.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gnnctl {

// One row: `scale` and `offset` have an entry for each column and are used by int8 alone.
struct Columns {
    std::size_t count = 0;
    const float* scale = nullptr;
    const float* offset = nullptr;
};
using Widen = void (*)(const void* from, float* to, const Columns& columns);

// For the best instruction set of this processor.
Widen widen_float16();
Widen widen_bfloat16();
Widen widen_int8();

}  // namespace gnnctl
