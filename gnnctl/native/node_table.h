// Global to local node numbers for one batch: a hash table sized for the batch, or a plain array where that is no
// larger (a graph not much bigger than the batch).
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "buffer_pool.h"
#include "keyed.h"

namespace gnnctl {

// Key is std::uint32_t (an entry is then one 64-bit word) or std::uint64_t.
template <class Key>
class NodeTable {
public:
    struct Entry {
        Key key;
        std::uint32_t local;
    };
    static constexpr Key kEmpty = static_cast<Key>(~Key{0});
    static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

    NodeTable() = default;
    NodeTable(std::shared_ptr<BufferPool> pool, std::uint64_t universe) : universe_(universe), memory_(std::move(pool)) {
        set_capacity(1024);
    }

    bool dense() const { return dense_; }
    bool fits(std::size_t nodes) const { return dense_ || 2 * nodes <= capacity_; }

    // Makes room for `nodes` keys; the keys already there, in local order, are given by key_of(i).
    template <class KeyOf>
    void grow(std::size_t nodes, std::size_t present, KeyOf&& key_of) {
        std::size_t capacity = capacity_;
        while (2 * nodes > capacity) capacity *= 2;
        set_capacity(capacity);
        for (std::size_t i = 0; i < present; ++i) {
            std::uint32_t next = static_cast<std::uint32_t>(i);
            if (dense_)
                insert_dense(key_of(i), next);
            else
                insert_hashed(key_of(i), next);
        }
    }

    void prefetch(Key key) const {
        if (dense_)
            __builtin_prefetch(static_cast<const std::uint32_t*>(cells()) + key, 1);
        else
            __builtin_prefetch(static_cast<const Entry*>(cells()) + slot(key), 1);
    }

    // Both return the local number and advance `next` where the key is new. Whether a neighbour is new is a coin
    // toss to the branch predictor, hence no branch on it.
    std::uint32_t insert_dense(Key key, std::uint32_t& next) {
        std::uint32_t& cell = static_cast<std::uint32_t*>(cells())[key];
        const bool is_new = cell == kNone;
        const std::uint32_t local = is_new ? next : cell;
        cell = local;
        next += is_new;
        return local;
    }
    std::uint32_t insert_hashed(Key key, std::uint32_t& next) {
        Entry* entries = static_cast<Entry*>(cells());
        std::size_t at = slot(key);
        while (entries[at].key != key && entries[at].key != kEmpty) at = (at + 1) & (capacity_ - 1);
        const bool is_new = entries[at].key == kEmpty;
        const std::uint32_t local = is_new ? next : entries[at].local;
        entries[at] = {key, local};
        next += is_new;
        return local;
    }
    std::uint32_t insert(Key key, std::uint32_t& next) {
        return dense_ ? insert_dense(key, next) : insert_hashed(key, next);
    }

    // Forgets the keys, given in local order.
    template <class KeyOf>
    void clear(std::size_t present, KeyOf&& key_of) {
        if (dense_ && present * 16 < universe_) {
            auto* cell = static_cast<std::uint32_t*>(cells());
            for (std::size_t i = 0; i < present; ++i) cell[key_of(i)] = kNone;
        } else {
            wipe();
        }
        // A table that one large batch stretched would otherwise be wiped at full size for ever after.
        if (!dense_ && capacity_ > 4096 && present * 32 < capacity_) {
            if (++idle_ == 16) set_capacity(capacity_ / 4);
        } else {
            idle_ = 0;
        }
    }

private:
    void* cells() { return memory_.data(); }
    const void* cells() const { return memory_.data(); }
    std::size_t slot(Key key) const { return (static_cast<std::uint64_t>(key) * kGolden) >> shift_; }
    std::size_t bytes() const {
        return dense_ ? static_cast<std::size_t>(universe_) * sizeof(std::uint32_t) : capacity_ * sizeof(Entry);
    }
    void wipe() {
        if (bytes() != 0) std::memset(memory_.data(), 0xFF, bytes());
    }
    void set_capacity(std::size_t capacity) {
        capacity_ = capacity;
        idle_ = 0;
        shift_ = 64;
        for (std::size_t n = capacity; n > 1; n /= 2) --shift_;
        dense_ = universe_ <= capacity * (sizeof(Entry) / sizeof(std::uint32_t));
        memory_.set_size(0);
        memory_.reserve(bytes());
        wipe();
    }

    std::uint64_t universe_ = 0;
    std::size_t capacity_ = 0;
    unsigned shift_ = 64;
    unsigned idle_ = 0;
    bool dense_ = false;
    Buffer<char> memory_;
};

}  // namespace gnnctl
