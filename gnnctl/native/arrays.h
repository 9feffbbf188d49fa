// What Python hands over of a tensor: its address with dtype and shape, so that every native function can check them.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "address.h"
#include "kernels.h"

namespace gnnctl {

// Contiguous memory, kept alive by its owner.
class Array {
public:
    Array(pybind11::object owner, Address address, int dtype, std::vector<std::int64_t> shape);

    DType dtype() const { return dtype_; }
    std::size_t dimensions() const { return shape_.size(); }
    std::int64_t extent(std::size_t axis) const { return shape_[axis]; }
    std::int64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
    std::int64_t row_size() const { return row_size_; }

    // The memory, once dtype, rows and elements of a row are as expected; else ValueError or TypeError naming it.
    void* expect(const char* name, DType dtype, std::int64_t rows, std::int64_t row_size) const;
    template <typename T>
    T* expect(const char* name, DType dtype, std::int64_t rows, std::int64_t row_size) const {
        return static_cast<T*>(expect(name, dtype, rows, row_size));
    }
    void* data() const { return data_; }
    std::int64_t bytes() const { return rows() * row_size_ * size_of(dtype_); }

private:
    pybind11::object owner_;
    void* data_;
    DType dtype_;
    std::vector<std::int64_t> shape_;
    std::int64_t row_size_ = 1;
};

// Edges of a graph from its arrays: see Edges in kernels.h. `row` null stands for segments of edge rows.
Edges make_edges(const Array& colptr, const Array* row, const Array* perm, std::int64_t num_src);

// Messages along edges: features and weights whose shapes fit each other and the edges.
Messages make_messages(const Edges& edges, const Array& x, const Array* weight);

}  // namespace gnnctl
