// What Python hands over to be sampled from, checked once: the kernel trusts it from then on.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sampler.h"

namespace gnnctl {

// One edge type, as given; its arrays are checked when a sampler is made of it.
struct GivenEdgeType {
    std::uint32_t src = 0, dst = 0;
    pybind11::object colptr, row;
    std::uint64_t name_hash = 0;
    std::vector<std::int64_t> fan_out;
    pybind11::object weight, time, source_time;  // None where there is none
};

// Keeps the arrays of a plan alive, and the prefix sums made from weights.
class SampledGraph {
public:
    // Throws pybind11::value_error or type_error whose message begins with `at` and the argument's name.
    SampledEdgeType check(const GivenEdgeType& given, const std::string& at, const SamplerPlan& plan, std::size_t threads);

private:
    std::vector<pybind11::object> held_;
    std::vector<std::unique_ptr<PrefixSums>> sums_;
};

std::vector<std::int64_t> checked_fan_out(const std::vector<std::int64_t>& fan_out, std::size_t hops, const std::string& name);

}  // namespace gnnctl
