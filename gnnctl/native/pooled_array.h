// NumPy arrays on pool memory: it goes back to the pool when Python lets go of the array.
#pragma once

#include <pybind11/numpy.h>

#include <memory>
#include <vector>

#include "buffer_pool.h"

namespace gnnctl {

template <class T>
pybind11::array_t<T> pooled_array(const std::shared_ptr<BufferPool>& pool, const std::vector<pybind11::ssize_t>& shape) {
    std::size_t size = 1;
    for (const pybind11::ssize_t n : shape) size *= static_cast<std::size_t>(n);
    struct Held {
        std::shared_ptr<BufferPool> pool;
        Block block;
        ~Held() { pool->give(block); }
    };
    auto held = std::make_unique<Held>(Held{pool, {}});
    held->block = pool->take(size * sizeof(T));
    auto* data = static_cast<const T*>(held->block.data);
    pybind11::capsule owner(held.get(), [](void* pointer) { delete static_cast<Held*>(pointer); });
    held.release();  // NOLINT: the capsule has it now
    return pybind11::array_t<T>(shape, data, owner);
}

}  // namespace gnnctl
