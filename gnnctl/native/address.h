// Addresses from Python: the caller (gnnctl.graph.memory) checks contiguity and device first.
#pragma once

#include <cstdint>

namespace gnnctl {

using Address = std::uintptr_t;  // 0 stands for a missing array

template <typename T = void>
T* pointer(Address address) {
    return reinterpret_cast<T*>(address);
}

}  // namespace gnnctl
