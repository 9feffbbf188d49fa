// Drawing neighbours in proportion to edge weights, by binary search in their prefix sums; see schemas/picks.md.
//
// A draw costs a search, whatever the degree. What has been picked already is drawn again a few times, and then only
// the gaps between the picks are drawn from.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "keyed.h"
#include "prefix_search.h"

namespace gnnctl {

inline double unit_interval(std::uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

class WeightedPicker {
public:
    // Candidate i of a node is where random(key, i) falls. The first ones of a whole block are searched for at once:
    // expect() them for each node in turn, then search(), then pick for each node in the same order.
    void start() {
        search_.clear();
        next_ = 0;
    }
    void expect(const WeightedList& list, std::uint64_t key, std::int64_t take) {
        const double total = list.total();
        if (!(total > 0)) return;
        for (std::int64_t i = 0; i < std::min(take, kExpected); ++i) search_.add(list, unit_interval(mix(key += kGolden)) * total);
    }
    void search() { expected_ = search_.run().data(); }

    template <class Emit>
    void repeated(const WeightedList& list, std::uint64_t key, std::int64_t take, Emit&& emit) {
        if (!(list.total() > 0)) return;
        begin(list, key, take);
        for (std::int64_t i = 0; i < take; ++i) emit(candidate());
    }

    // At most `take` distinct edges: fewer where fewer have any weight.
    template <class Emit>
    void distinct(const WeightedList& list, std::uint64_t key, std::int64_t take, Emit&& emit) {
        if (!(list.total() > 0)) return;
        begin(list, key, take);
        picked_.clear();
        while (static_cast<std::int64_t>(picked_.size()) < take) {
            std::int64_t found = -1;
            for (int attempt = 0; attempt < kAttempts && found < 0; ++attempt) {
                const std::int64_t drawn = candidate();
                if (add(drawn)) found = drawn;
            }
            if (found < 0) {
                found = draw_between(list, random());
                if (found < 0) break;
                add(found);
            }
            emit(found);
        }
        next_ = last_;
    }

    // Every edge that has any weight, in order.
    template <class Emit>
    static void all(const WeightedList& list, Emit&& emit) {
        for (std::int64_t j = 0; j < list.size; ++j)
            if (list.sums[j] > list.before(j)) emit(j);
    }

private:
    static constexpr int kAttempts = 2;
    static constexpr std::int64_t kExpected = 64;

    void begin(const WeightedList& list, std::uint64_t key, std::int64_t take) {
        list_ = list;
        key_ = key;
        last_ = next_ + static_cast<std::size_t>(std::min(take, kExpected));
    }
    std::uint64_t random() {
        if (next_ < last_) ++next_;
        return mix(key_ += kGolden);
    }
    std::int64_t candidate() {
        key_ += kGolden;
        if (next_ < last_) return expected_[next_++];
        return list_.find(unit_interval(mix(key_)) * list_.total());
    }

    // Whether the place is new; the picks are kept sorted.
    bool add(std::int64_t place) {
        const auto at = std::lower_bound(picked_.begin(), picked_.end(), place);
        if (at != picked_.end() && *at == place) return false;
        picked_.insert(at, place);
        return true;
    }

    // Draws from what lies between the picks, exactly; -1 where nothing there has any weight.
    std::int64_t draw_between(const WeightedList& list, std::uint64_t random) {
        ends_.clear();
        double sum = 0.0;
        std::int64_t first = 0;
        for (std::size_t g = 0; g <= picked_.size(); ++g) {
            const std::int64_t last = g < picked_.size() ? picked_[g] : list.size;
            if (last > first) sum += list.sums[last - 1] - list.before(first);
            ends_.push_back(sum);
            first = last + 1;
        }
        if (!(sum > 0)) return -1;
        const double x = unit_interval(random) * sum;
        auto gap = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), x) - ends_.begin());
        if (gap == ends_.size()) gap = static_cast<std::size_t>(std::lower_bound(ends_.begin(), ends_.end(), sum) - ends_.begin());
        const std::int64_t from = gap == 0 ? 0 : picked_[gap - 1] + 1;
        const std::int64_t to = gap < picked_.size() ? picked_[gap] : list.size;
        const double at = list.before(from) + (x - (gap == 0 ? 0.0 : ends_[gap - 1]));
        return list.find(from, to, at);
    }

    PrefixSearch search_;
    const std::int64_t* expected_ = nullptr;  // what search() found
    std::size_t next_ = 0, last_ = 0;         // the current node's share of it
    WeightedList list_;
    std::uint64_t key_ = 0;
    std::vector<std::int64_t> picked_;
    std::vector<double> ends_;
};

}  // namespace gnnctl
