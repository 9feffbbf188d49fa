// The nodes of one type that a batch has reached so far, in the order in which it did.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "node_table.h"
#include "sampler.h"

namespace gnnctl {

inline constexpr std::size_t kMostNodes = 0x7FFFFFFF;

// In disjoint sampling a node is there once for each group (seed) that reaches it.
template <class Key, bool Disjoint>
class LocalNodes {
public:
    LocalNodes(const std::shared_ptr<BufferPool>& pool, std::int64_t universe)
        : universe_(static_cast<std::uint64_t>(universe)), pool_(pool),
          table_(pool, Disjoint ? ~std::uint64_t{0} : universe_) {}

    void start() {
        nodes_ = {Buffer<std::int64_t>(pool_), Buffer<std::int32_t>(pool_), {}};
        nodes_.rows.reserve(hint_ + 1);
        if (Disjoint) nodes_.group.reserve(hint_ + 1);
    }
    SampledNodes finish() {
        table_.clear(size(), key_of());
        hint_ = size() + size() / 16;
        return std::move(nodes_);
    }

    std::size_t size() const { return nodes_.rows.size(); }
    std::int64_t row(std::size_t i) const { return nodes_.rows[i]; }
    const std::int64_t* rows() const { return nodes_.rows.data(); }
    std::size_t group(std::size_t i) const { return Disjoint ? static_cast<std::size_t>(nodes_.group[i]) : 0; }

    Key key(std::uint64_t node, std::uint64_t group) const {
        if constexpr (Disjoint) return static_cast<Key>(group * universe_ + node);
        return static_cast<Key>(node);
    }
    void prefetch(Key key) const { table_.prefetch(key); }

    void make_room(std::size_t more) {
        const std::size_t present = size();
        if (present + more >= kMostNodes) throw std::length_error("seeds: the batch reaches 2^31 nodes");
        nodes_.rows.reserve(present + more + 1);
        if (Disjoint) nodes_.group.reserve(present + more + 1);
        if (!table_.fits(present + more)) table_.grow(present + more, present, key_of());
    }

    // The local numbers of several keys, for which there must be room; row_of(i) and group_of(i) are what key i stands for.
    template <class RowOf, class GroupOf>
    void insert(const Key* keys, std::size_t count, RowOf&& row_of, GroupOf&& group_of, std::int32_t* local) {
        if (!Disjoint && table_.dense())
            insert_all(keys, count, row_of, group_of, local, [this](Key key, std::uint32_t& n) { return table_.insert_dense(key, n); });
        else
            insert_all(keys, count, row_of, group_of, local, [this](Key key, std::uint32_t& n) { return table_.insert_hashed(key, n); });
    }

    // Counts the nodes added since the last call as those of the next hop.
    void end_hop() {
        std::int64_t before = 0;
        for (const std::int64_t n : nodes_.counts) before += n;
        nodes_.counts.push_back(static_cast<std::int64_t>(size()) - before);
    }

private:
    template <class RowOf, class GroupOf, class Insert>
    void insert_all(const Key* keys, std::size_t count, RowOf&& row_of, GroupOf&& group_of, std::int32_t* local, Insert&& insert) {
        std::int64_t* rows = nodes_.rows.data();
        std::int32_t* groups = nodes_.group.data();
        auto next = static_cast<std::uint32_t>(size());
        for (std::size_t i = 0; i < count; ++i) {
            rows[next] = row_of(i);  // stays only if the key is new
            if (Disjoint) groups[next] = group_of(i);
            local[i] = static_cast<std::int32_t>(insert(keys[i], next));
        }
        nodes_.rows.set_size(next);
        if (Disjoint) nodes_.group.set_size(next);
    }
    auto key_of() const {
        return [this](std::size_t i) { return key(static_cast<std::uint64_t>(row(i)), group(i)); };
    }

    std::uint64_t universe_;
    std::shared_ptr<BufferPool> pool_;
    NodeTable<Key> table_;
    SampledNodes nodes_;
    std::size_t hint_ = 0;
};

}  // namespace gnnctl
