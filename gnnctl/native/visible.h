// What a seed may see at its time. A node's in-edges are sorted by visible time, the later of the edge's and its
// source's, so what may be seen is a prefix of them, found by binary search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace gnnctl {

// The times of one edge type; where both are missing, its edges have always been there.
struct EdgeTimes {
    const std::int64_t* edge = nullptr;    // by position
    const std::int64_t* source = nullptr;  // by row
    bool any() const { return edge != nullptr || source != nullptr; }

    template <class Row>
    std::int64_t visible(const Row* row, std::int64_t position) const {
        std::int64_t time = std::numeric_limits<std::int64_t>::min();
        if (edge != nullptr) time = edge[position];
        if (source != nullptr) time = std::max(time, source[row[position]]);
        return time;
    }

    // Asks for the first line that visible() waits for.
    template <class Row>
    void prefetch(const Row* row, std::int64_t position) const {
        if (edge != nullptr) __builtin_prefetch(edge + position);
        if (source != nullptr) __builtin_prefetch(row + position);
    }
};

// Shortens degree[i] to the edges visible before times[i], or at it too where inclusive. The searches of a block
// go in step, so that their reads, each of which misses the caches, overlap: a step asks for what the next one reads,
// and, once the sources are there, for all their times before the first is compared.
template <class Row>
void keep_visible(const EdgeTimes& edges, const Row* row, const std::int64_t* start, const std::int64_t* times,
                  bool inclusive, std::size_t count, std::int64_t* degree) {
    constexpr std::size_t kLanes = 32;
    for (std::size_t base = 0; base < count; base += kLanes) {
        const std::size_t lanes = std::min(kLanes, count - base);
        std::int64_t first[kLanes], left[kLanes];
        std::size_t open[kLanes], num_open = 0;
        for (std::size_t i = 0; i < lanes; ++i) {
            first[i] = start[base + i];
            left[i] = degree[base + i];
            open[num_open] = i;
            num_open += left[i] > 0;
        }
        while (num_open > 0) {
            std::size_t kept = 0;
            if (edges.source != nullptr)
                for (std::size_t o = 0; o < num_open; ++o) {
                    const std::size_t i = open[o];
                    __builtin_prefetch(edges.source + row[first[i] + left[i] / 2]);
                }
            for (std::size_t o = 0; o < num_open; ++o) {
                const std::size_t i = open[o];
                const std::int64_t half = left[i] / 2, middle = first[i] + half;
                const std::int64_t time = edges.visible(row, middle), limit = times[base + i];
                const bool seen = time < limit || (inclusive && time == limit);
                first[i] = seen ? middle + 1 : first[i];
                left[i] = seen ? left[i] - half - 1 : half;
                open[kept] = i;
                kept += left[i] > 0;
                edges.prefetch(row, first[i] + left[i] / 2);
            }
            num_open = kept;
        }
        for (std::size_t i = 0; i < lanes; ++i) degree[base + i] = first[i] - start[base + i];
    }
}

}  // namespace gnnctl
