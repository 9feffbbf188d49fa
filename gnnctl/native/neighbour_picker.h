// Which in-edges of one node are taken, by the rules of schemas/picks.md.
#pragma once

#include <algorithm>
#include <cstdint>

#include "keyed.h"
#include "labor.h"
#include "sampler.h"
#include "weighted.h"

namespace gnnctl {

// One frontier node and one edge type into it: of its edges [start, end) the first `degree` may be drawn, and `take`
// are wanted; `all` wherever that means every one of them, so that nothing is left to chance. Of those that may be drawn,
// and of those wanted, `hidden` will be passed over.
struct Choice {
    std::int64_t start = 0, end = 0, degree = 0, take = 0, hidden = 0;
    std::uint64_t key = 0;     // of the node
    std::uint64_t labor_key = 0;  // of the type of the sources
    bool all = false;
};

class NeighbourPicker {
public:
    explicit NeighbourPicker(const SamplerRules& rules) : rules_(rules) {}

    // Looks ahead for a block of choices, each of which pick() is then called for in the same order.
    void expect(const SampledEdgeType& type, const Choice* choices, std::size_t count) {
        if (type.weights == nullptr) return;
        weighted_.start();
        for (std::size_t i = 0; i < count; ++i)
            if (!choices[i].all) weighted_.expect(weighted(type, choices[i]), choices[i].key, choices[i].take);
        weighted_.search();
    }

    // Calls emit(offset) for each edge taken, in order; weights may leave fewer than `take`.
    template <class Row, class Emit>
    void pick(const SampledEdgeType& type, const Choice& choice, Emit&& emit) {
        const auto degree = static_cast<std::uint64_t>(choice.degree), take = static_cast<std::uint64_t>(choice.take);
        if (choice.degree == 0) return;
        if (rules_.draw == Draw::recent) {
            for (std::int64_t i = 1; i <= choice.take; ++i) emit(choice.degree - i);
        } else if (type.weights != nullptr) {
            pick_weighted(weighted(type, choice), choice, emit);
        } else if (choice.all) {
            for (std::int64_t j = 0; j < choice.degree; ++j) emit(j);
        } else if (rules_.draw == Draw::labor) {
            labor_.distinct(static_cast<const Row*>(type.row) + choice.start, choice.labor_key, choice.degree, choice.take, emit);
        } else if (rules_.replace) {
            Picker::repeated(choice.key, degree, take, [&](std::uint64_t j) { emit(static_cast<std::int64_t>(j)); });
        } else {
            uniform_.distinct(choice.key, degree, take, [&](std::uint64_t j) { emit(static_cast<std::int64_t>(j)); });
        }
    }

    Picker& uniform() { return uniform_; }

private:
    static WeightedList weighted(const SampledEdgeType& type, const Choice& choice) {
        return type.weights->list(choice.start, choice.degree, choice.end);
    }

    template <class Emit>
    void pick_weighted(const WeightedList& list, const Choice& choice, Emit&& emit) {
        if (choice.all)
            WeightedPicker::all(list, emit);
        else if (rules_.replace)
            weighted_.repeated(list, choice.key, choice.take, emit);
        else
            weighted_.distinct(list, choice.key, choice.take, emit);
    }

    const SamplerRules& rules_;
    Picker uniform_;
    WeightedPicker weighted_;
    LaborPicker labor_;
};

}  // namespace gnnctl
