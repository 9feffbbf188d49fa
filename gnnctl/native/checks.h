// Checks of what Python hands over: every message begins with the argument's name.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace gnnctl {

template <class T>
inline bool has_dtype(const pybind11::array& array) {
    return pybind11::dtype::of<T>().equal(array.dtype());
}

// A one-dimensional, C-contiguous array of exactly this dtype; never converted, so never silently copied.
template <class T>
const T* checked_vector(const pybind11::object& object, const std::string& name, std::size_t& size) {
    if (!pybind11::isinstance<pybind11::array>(object)) throw pybind11::type_error(name + ": expected a NumPy array");
    const auto array = pybind11::reinterpret_borrow<pybind11::array>(object);
    if (!has_dtype<T>(array))
        throw pybind11::type_error(name + ": expected dtype " + std::string(pybind11::str(pybind11::dtype::of<T>())) +
                                   ", got " + std::string(pybind11::str(array.dtype())));
    if (array.ndim() != 1) throw pybind11::value_error(name + ": expected one dimension, got " + std::to_string(array.ndim()));
    if (!(array.flags() & pybind11::array::c_style)) throw pybind11::value_error(name + ": expected a contiguous array");
    if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) != 0) throw pybind11::value_error(name + ": expected an aligned array");
    size = static_cast<std::size_t>(array.size());
    return static_cast<const T*>(array.data());
}

inline std::size_t checked_threads(long long num_threads) {
    if (num_threads < 1 || num_threads > 1024) throw pybind11::value_error("num_threads: expected 1 to 1024, got " + std::to_string(num_threads));
    return static_cast<std::size_t>(num_threads);
}

// Runs work(first, last) over equal parts of 0..count; the calling thread takes the first part.
template <class Work>
void in_parallel(std::size_t count, std::size_t threads, std::size_t least, Work&& work) {
    threads = std::max<std::size_t>(1, std::min(threads, count / std::max<std::size_t>(least, 1)));
    const auto bound = [&](std::size_t t) { return count / threads * t + std::min(t, count % threads); };
    std::vector<std::exception_ptr> failures(threads);
    std::vector<std::thread> others;
    others.reserve(threads);
    const auto part = [&](std::size_t t) {
        try {
            work(bound(t), bound(t + 1));
        } catch (...) {
            failures[t] = std::current_exception();
        }
    };
    for (std::size_t t = 1; t < threads; ++t) others.emplace_back(part, t);
    part(0);
    for (std::thread& thread : others) thread.join();
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

}  // namespace gnnctl
