// Puts the edges of each destination in their final order, after they have been sorted by (destination, source).
#pragma once

#include <cstdint>
#include <vector>

namespace gnnctl {

// A column of an edge's attributes, in the order that the edges were given in: integers, or rows of floats.
struct TieColumn {
    const std::int64_t* integers = nullptr;
    const float* floats = nullptr;
    std::int64_t width = 1;
};

struct ListOrder {
    const std::int64_t* visible = nullptr;  // by given edge, or none
    std::vector<TieColumn> ties;            // compared in turn among edges alike in (destination, visible, source)
};

// Rows and perm are reordered within each list: by (visible time, source, ties).
template <class Row>
void order_lists(const std::int64_t* colptr, std::int64_t num_dst, Row* row, std::int64_t* perm, const ListOrder& by, int threads);

}  // namespace gnnctl
