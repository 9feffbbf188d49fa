// What a kernel relies on in a CSC: a colptr that rises from 0 to the number of edges, sources that are nodes.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "checks.h"

namespace gnnctl {

// Releasing the GIL here is safe: the arrays are held by the caller's frame and nobody else may resize them.
template <class Row>
void checked_rows(const Row* row, std::size_t size, std::int64_t num_src, const std::string& name, std::size_t threads) {
    std::atomic<bool> bad{false};
    {
        const pybind11::gil_scoped_release unlocked;
        in_parallel(size, threads, 1 << 20, [&](std::size_t first, std::size_t last) {
            bool found = false;
            for (std::size_t i = first; i < last; ++i) found |= row[i] < 0 || static_cast<std::int64_t>(row[i]) >= num_src;
            if (found) bad = true;
        });
    }
    if (bad) throw pybind11::value_error(name + ": a node is outside 0.." + std::to_string(num_src - 1));
}

inline void checked_colptr(const std::int64_t* colptr, std::size_t size, std::int64_t num_dst, std::size_t num_edges,
                           const std::string& name) {
    if (size != static_cast<std::size_t>(num_dst) + 1)
        throw pybind11::value_error(name + ": expected " + std::to_string(num_dst + 1) + " entries, got " + std::to_string(size));
    bool sorted = true;
    {
        const pybind11::gil_scoped_release unlocked;
        for (std::size_t i = 1; i < size; ++i) sorted &= colptr[i - 1] <= colptr[i];
    }
    if (!sorted) throw pybind11::value_error(name + ": not sorted");
    if (colptr[0] != 0) throw pybind11::value_error(name + ": does not begin with 0");
    if (colptr[size - 1] != static_cast<std::int64_t>(num_edges))
        throw pybind11::value_error(name + ": ends with " + std::to_string(colptr[size - 1]) + ", but there are " +
                                    std::to_string(num_edges) + " edges");
}

}  // namespace gnnctl
