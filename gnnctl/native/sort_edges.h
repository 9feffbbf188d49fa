// Sorts edges by an endpoint, the key. Edges are first dealt into buckets of neighbouring keys, in streams that stay in
// the caches, and each bucket is then sorted on its own.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "checks.h"

namespace gnnctl {

// Where sorted edges go: those of key k stand at ptr[k] .. ptr[k + 1], with the other endpoint and the edge's number.
template <class Other, class Number>
struct SortedEdges {
    std::int64_t* ptr;
    Other* other;
    Number* number;
};

template <class Id>
struct DealtEdge {
    Id key, other, number;
};

namespace detail {

constexpr std::size_t kBuckets = 512;
constexpr unsigned kDigit = 11;             // bits of one pass of the radix sort
constexpr std::size_t kComparedEdges = 4096;  // up to here comparing beats counting digits

// Stable, by the other endpoint; `spare` has room for as many edges.
template <class Id>
void sort_by_other(DealtEdge<Id>* edges, std::size_t count, Id most, std::vector<DealtEdge<Id>>& spare) {
    if (count <= kComparedEdges) {
        std::sort(edges, edges + count, [](const auto& a, const auto& b) {
            return a.other != b.other ? a.other < b.other : a.number < b.number;
        });
        return;
    }
    spare.resize(std::max(spare.size(), count));
    DealtEdge<Id>* from = edges;
    DealtEdge<Id>* to = spare.data();
    for (unsigned shift = 0; shift < 8 * sizeof(Id) && (most >> shift) != 0; shift += kDigit) {
        std::array<std::size_t, std::size_t{1} << kDigit> place{};
        const auto digit = [shift](const DealtEdge<Id>& edge) { return static_cast<std::size_t>(edge.other >> shift) & ((1u << kDigit) - 1); };
        for (std::size_t i = 0; i < count; ++i) ++place[digit(from[i])];
        std::size_t total = 0;
        for (std::size_t& at : place) total += std::exchange(at, total);
        for (std::size_t i = 0; i < count; ++i) to[place[digit(from[i])]++] = from[i];
        std::swap(from, to);
    }
    if (from != edges) std::copy(from, from + count, edges);
}

}  // namespace detail

// each(first, last, visit) calls visit(number, key, other) for the edges [first, last). Stable: edges of one key keep
// their order, or are in the order of their other endpoints (then of their numbers) where asked for. Id holds every
// endpoint and number; endpoints must be in range.
template <class Id, class Each, class Other, class Number>
void sort_edges(std::size_t edges, std::size_t num_keys, std::size_t num_others, const Each& each, bool by_other, std::size_t threads,
                const SortedEdges<Other, Number>& out) {
    threads = std::max<std::size_t>(1, std::min(threads, edges / 65536));
    unsigned shift = 0;
    while ((num_keys >> shift) >= detail::kBuckets) ++shift;
    const std::size_t buckets = (num_keys >> shift) + 1;
    const auto part = [&](std::size_t t) { return edges / threads * t + std::min(t, edges % threads); };

    std::vector<std::size_t> cursor(threads * buckets, 0), bucket_start(buckets + 1, 0);
    const auto each_part = [&](const auto& visit) {
        in_parallel(threads, threads, 1, [&](std::size_t first, std::size_t last) {
            for (std::size_t t = first; t < last; ++t) {
                std::size_t* mine = cursor.data() + t * buckets;
                each(part(t), part(t + 1), [&](std::size_t i, auto key, auto other) { visit(mine[static_cast<std::size_t>(key) >> shift], i, key, other); });
            }
        });
    };
    each_part([](std::size_t& count, std::size_t, auto, auto) { ++count; });
    std::size_t at = 0;
    for (std::size_t b = 0; b < buckets; ++b) {
        bucket_start[b] = at;
        for (std::size_t t = 0; t < threads; ++t) at += std::exchange(cursor[t * buckets + b], at);
    }
    bucket_start[buckets] = at;
    const std::unique_ptr<DealtEdge<Id>[]> dealt(new DealtEdge<Id>[edges]);
    each_part([&](std::size_t& next, std::size_t i, auto key, auto other) {
        dealt[next++] = {static_cast<Id>(key), static_cast<Id>(other), static_cast<Id>(i)};
    });

    out.ptr[num_keys] = static_cast<std::int64_t>(edges);
    std::atomic<std::size_t> turn{0};
    in_parallel(threads, threads, 1, [&](std::size_t, std::size_t) {
        std::vector<std::size_t> end;
        std::vector<DealtEdge<Id>> spare;
        for (std::size_t b = turn++; b < buckets; b = turn++) {
            const std::size_t first_key = b << shift, last_key = std::min(num_keys, (b + 1) << shift);
            if (first_key >= last_key) continue;
            DealtEdge<Id>* const begin = dealt.get() + bucket_start[b];
            DealtEdge<Id>* const stop = dealt.get() + bucket_start[b + 1];
            if (by_other) detail::sort_by_other(begin, static_cast<std::size_t>(stop - begin), static_cast<Id>(num_others > 0 ? num_others - 1 : 0), spare);
            end.assign(last_key - first_key + 1, 0);
            for (const DealtEdge<Id>* edge = begin; edge != stop; ++edge) ++end[static_cast<std::size_t>(edge->key) - first_key + 1];
            end[0] = bucket_start[b];
            for (std::size_t k = 1; k < end.size(); ++k) end[k] += end[k - 1];
            for (std::size_t k = first_key; k < last_key; ++k) out.ptr[k] = static_cast<std::int64_t>(end[k - first_key]);
            for (const DealtEdge<Id>* edge = begin; edge != stop; ++edge) {
                const std::size_t to = end[static_cast<std::size_t>(edge->key) - first_key]++;
                out.other[to] = static_cast<Other>(edge->other);
                out.number[to] = static_cast<Number>(edge->number);
            }
        }
    });
}

}  // namespace gnnctl
