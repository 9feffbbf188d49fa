// A scored list of nodes for each of many nodes, made by several threads, in the order of those nodes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "checks.h"
#include "typed_csc_bind.h"

namespace gnnctl {

struct ScoredNode {
    std::int64_t row;
    double score;
};

// Keeps the `top` best by score, then by row, best first.
inline void keep_best(std::vector<ScoredNode>& nodes, std::size_t top) {
    const auto better = [](const ScoredNode& a, const ScoredNode& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; };
    const std::size_t kept = std::min(top, nodes.size());
    std::partial_sort(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(kept), nodes.end(), better);
    nodes.resize(kept);
}

struct NodeLists {
    std::vector<std::int64_t> ptr{0}, rows;
    std::vector<double> scores;

    void append(const std::vector<ScoredNode>& nodes) {
        for (const ScoredNode& node : nodes) {
            rows.push_back(node.row);
            scores.push_back(node.score);
        }
        ptr.push_back(static_cast<std::int64_t>(rows.size()));
    }
    void append(const NodeLists& other) {
        const std::int64_t before = ptr.back();
        for (std::size_t i = 1; i < other.ptr.size(); ++i) ptr.push_back(before + other.ptr[i]);
        rows.insert(rows.end(), other.rows.begin(), other.rows.end());
        scores.insert(scores.end(), other.scores.begin(), other.scores.end());
    }
    pybind11::tuple to_python() && {
        return pybind11::make_tuple(owned_array(std::move(ptr)), owned_array(std::move(rows)), owned_array(std::move(scores)));
    }
};

// make_worker() is called once a thread; worker(i, list) fills the empty list of node i.
template <class MakeWorker>
NodeLists node_lists(std::size_t count, std::size_t threads, MakeWorker&& make_worker) {
    std::mutex mutex;
    std::map<std::size_t, NodeLists> parts;
    in_parallel(count, threads, 1, [&](std::size_t first, std::size_t last) {
        auto worker = make_worker();
        NodeLists mine;
        std::vector<ScoredNode> list;
        for (std::size_t i = first; i < last; ++i) {
            list.clear();
            worker(i, list);
            mine.append(list);
        }
        const std::lock_guard<std::mutex> lock(mutex);
        parts.emplace(first, std::move(mine));
    });
    if (parts.size() == 1) return std::move(parts.begin()->second);
    NodeLists all;
    for (const auto& [first, part] : parts) all.append(part);
    return all;
}

}  // namespace gnnctl
