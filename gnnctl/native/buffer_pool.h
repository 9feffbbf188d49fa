// Memory that results are written into and that comes back when Python lets go of them: fresh pages for every batch
// would cost as much as the sampling of small batches.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace gnnctl {

struct Block {
    void* data = nullptr;
    std::size_t bytes = 0;
};

class BufferPool {
public:
    explicit BufferPool(std::size_t most_kept = std::size_t{256} << 20) : most_kept_(most_kept) {}
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool() {
        for (const Block& block : free_) std::free(block.data);
    }

    Block take(std::size_t bytes) {
        bytes = std::max<std::size_t>(bytes, kSmallest);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            std::size_t best = free_.size();
            for (std::size_t i = 0; i < free_.size(); ++i)
                if (free_[i].bytes >= bytes && free_[i].bytes <= 4 * bytes &&
                    (best == free_.size() || free_[i].bytes < free_[best].bytes))
                    best = i;
            if (best < free_.size()) {
                const Block block = free_[best];
                free_[best] = free_.back();
                free_.pop_back();
                kept_ -= block.bytes;
                return block;
            }
        }
        const std::size_t unit = bytes >= kHuge ? kHuge : kSmallest;
        bytes = (bytes + bytes / 4 + unit - 1) / unit * unit;
        void* data = std::aligned_alloc(unit, bytes);
        if (data == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        if (bytes >= kHuge) madvise(data, bytes, MADV_HUGEPAGE);
#endif
        return {data, bytes};
    }

    void give(Block block) {
        if (block.data == nullptr) return;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (kept_ + block.bytes <= most_kept_ && free_.size() < kMostBlocks) {
                free_.push_back(block);
                kept_ += block.bytes;
                return;
            }
        }
        std::free(block.data);
    }

private:
    static constexpr std::size_t kSmallest = 512, kHuge = std::size_t{2} << 20;
    static constexpr std::size_t kMostBlocks = 256;
    const std::size_t most_kept_;
    std::mutex mutex_;
    std::vector<Block> free_;
    std::size_t kept_ = 0;
};

// A growing array on pool memory; release() hands the memory to whoever wraps it for Python.
template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::shared_ptr<BufferPool> pool) : pool_(std::move(pool)) {}
    Buffer(Buffer&& other) noexcept
        : pool_(std::move(other.pool_)), block_(std::exchange(other.block_, {})), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(block_, other.block_);
        std::swap(size_, other.size_);
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() {
        if (pool_) pool_->give(block_);
    }

    T* data() { return static_cast<T*>(block_.data); }
    const T* data() const { return static_cast<const T*>(block_.data); }
    T& operator[](std::size_t i) { return data()[i]; }
    const T& operator[](std::size_t i) const { return data()[i]; }
    std::size_t size() const { return size_; }
    void set_size(std::size_t n) { size_ = n; }
    void push(T value) {
        reserve(size_ + 1);
        data()[size_++] = value;
    }
    void reserve(std::size_t n) {
        if (n * sizeof(T) <= block_.bytes) return;
        const Block larger = pool_->take(std::max(n, 2 * size_) * sizeof(T));
        if (size_ != 0) std::memcpy(larger.data, block_.data, size_ * sizeof(T));
        pool_->give(block_);
        block_ = larger;
    }
    Block release() {
        size_ = 0;
        return std::exchange(block_, {});
    }

private:
    std::shared_ptr<BufferPool> pool_;
    Block block_;
    std::size_t size_ = 0;
};

}  // namespace gnnctl
