#include "negatives.h"

#include <algorithm>
#include <mutex>
#include <numeric>

#include "checks.h"
#include "keyed.h"

namespace gnnctl {
namespace {

constexpr std::uint64_t kAttempts = 32;

std::uint64_t negative_key(const NegativePlan& plan, std::size_t positive, std::size_t index) {
    const auto word = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
    return absorb(absorb(absorb(plan.key, word(plan.src[positive])), word(plan.dst[positive])), index);
}

std::uint64_t random_at(std::uint64_t key, std::uint64_t i) { return mix(key + (i + 1) * kGolden); }

// What may stand at the drawn end beside a kept node: all but its neighbours and, without loops, itself. The places of
// a population close up over those left out, so that one draw and one search find a node, whatever the degree.
class Allowed {
public:
    void build(const SortedLists& lists, const Population& population, std::int64_t kept, bool loops) {
        population_ = &population;
        gaps_.clear();
        left_out_.assign(1, 0);
        std::int64_t last = -1;
        bool self = !loops;
        for (std::int64_t e = lists.type.colptr[kept]; e < lists.type.colptr[kept + 1]; ++e) {
            const std::int64_t node = lists.type.at(e);
            if (self && kept <= node) {
                if (kept < node) leave_out(kept);
                self = false;
            }
            if (node != last) leave_out(node);
            last = node;
        }
        if (self) leave_out(kept);
    }

    std::int64_t total() const { return population_->total() - left_out_.back(); }

    // A place beside one more node that is left out; -1 where there is none. random has 64 bits.
    std::int64_t draw(std::uint64_t random, std::int64_t partner) const {
        std::int64_t from = 0, weight = 0;
        if (partner >= 0) {
            const auto [first, share] = population_->share(partner);
            from = closed_up(first, share, weight);
        }
        const std::int64_t left = total() - weight;
        if (left <= 0) return -1;
        auto place = static_cast<std::int64_t>(bounded(random, static_cast<std::uint64_t>(left)));
        if (place >= from) place += weight;
        return population_->at(place + left_out_[gaps_before(place)]);
    }

private:
    void leave_out(std::int64_t node) {
        const auto [first, weight] = population_->share(node);
        if (weight == 0) return;
        gaps_.push_back(first - left_out_.back());
        left_out_.push_back(left_out_.back() + weight);
    }

    // How many gaps there are up to a place.
    std::size_t gaps_before(std::int64_t place) const {
        return static_cast<std::size_t>(std::upper_bound(gaps_.begin(), gaps_.end(), place) - gaps_.begin());
    }

    // Where a node's places begin once the gaps are closed; its weight there, 0 if it is left out itself.
    std::int64_t closed_up(std::int64_t first, std::int64_t share, std::int64_t& weight) const {
        std::size_t low = 0, high = gaps_.size();
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            if (gaps_[middle] + left_out_[middle] < first) low = middle + 1;
            else high = middle;
        }
        const bool own = low < gaps_.size() && gaps_[low] + left_out_[low] == first;
        weight = own ? 0 : share;
        return first - left_out_[low];
    }

    const Population* population_ = nullptr;
    std::vector<std::int64_t> gaps_;      // places, closed up, before which nodes are left out
    std::vector<std::int64_t> left_out_;  // weight left out before each gap, and in all
};

// The destinations of negatives whose ends are both drawn: by weight times what their allowed sources weigh.
std::vector<std::int64_t> drawn_destinations(const SortedLists& lists, const NegativePlan& plan, const std::int64_t* which, std::size_t count) {
    std::vector<double> sums(static_cast<std::size_t>(plan.destinations.size) + 1, 0);
    Allowed allowed;
    for (std::int64_t i = 0; i < plan.destinations.size; ++i) {
        const std::int64_t v = plan.destinations.nodes ? plan.destinations.nodes[i] : i;
        allowed.build(lists, plan.sources, v, plan.loops);
        const double weight = static_cast<double>(plan.destinations.share(v).second) * static_cast<double>(allowed.total());
        sums[static_cast<std::size_t>(i) + 1] = sums[static_cast<std::size_t>(i)] + weight;
    }
    std::vector<std::int64_t> kept(count, -1);
    if (!(sums.back() > 0)) return kept;
    for (std::size_t n = 0; n < count; ++n) {
        const auto at = static_cast<std::size_t>(which[n]);
        const std::uint64_t key = negative_key(plan, at / plan.each, at % plan.each);
        const double share = unit_interval(random_at(key, 2 * kAttempts + 1)) * sums.back();
        auto place = std::upper_bound(sums.begin(), sums.end(), share);
        if (place == sums.end()) place = std::lower_bound(sums.begin(), sums.end(), sums.back());  // rounded up to the sum
        const std::int64_t d = place - sums.begin() - 1;
        kept[n] = plan.destinations.nodes ? plan.destinations.nodes[d] : d;
    }
    return kept;
}

}  // namespace

std::int64_t Population::place(std::uint64_t random) const {
    return static_cast<std::int64_t>(bounded(random, static_cast<std::uint64_t>(total())));
}

std::int64_t Population::at(std::int64_t place) const {
    const std::int64_t i = sums ? std::upper_bound(sums, sums + size + 1, place) - sums - 1 : place;
    return nodes ? nodes[i] : i;
}

std::pair<std::int64_t, std::int64_t> Population::share(std::int64_t node) const {
    std::int64_t i = node;
    if (nodes) {
        i = std::lower_bound(nodes, nodes + size, node) - nodes;
        if (i == size || nodes[i] != node) return {0, 0};
    }
    return sums ? std::pair{sums[i], sums[i + 1] - sums[i]} : std::pair{i, std::int64_t{1}};
}

std::vector<std::int64_t> draw_negatives(const SortedLists& lists, const NegativePlan& plan, Pairs out) {
    std::mutex mutex;
    std::vector<std::int64_t> missing;
    const bool src = plan.corrupt != Corrupt::dst, dst = plan.corrupt != Corrupt::src;
    const bool possible = (!src || plan.sources.total() > 0) && (!dst || plan.destinations.total() > 0);
    in_parallel(plan.positives, plan.threads, 512, [&](std::size_t first, std::size_t last) {
        std::vector<std::int64_t> mine;
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t j = 0; j < plan.each; ++j) {
                const std::size_t at = i * plan.each + j;
                const std::uint64_t key = negative_key(plan, i, j);
                std::int64_t u = plan.src[i], v = plan.dst[i];
                bool found = false;
                for (std::uint64_t a = 0; possible && !found && a < kAttempts; ++a) {
                    if (src) u = plan.sources.draw(random_at(key, 2 * a));
                    if (dst) v = plan.destinations.draw(random_at(key, 2 * a + 1));
                    const bool own = src != dst && u == plan.src[i] && v == plan.dst[i];
                    found = !plan.exclude || !(own || (!plan.loops && u == v) || lists.contains(v, u));
                }
                out.src[at] = found || !src ? u : -1;
                out.dst[at] = found || !dst ? v : -1;
                if (!found && possible) mine.push_back(static_cast<std::int64_t>(at));
            }
        }
        const std::lock_guard<std::mutex> lock(mutex);
        missing.insert(missing.end(), mine.begin(), mine.end());
    });
    std::sort(missing.begin(), missing.end());
    return missing;
}

void draw_exactly(const SortedLists& lists, const NegativePlan& plan, const std::int64_t* which, std::size_t count, Pairs out) {
    const bool both = plan.corrupt == Corrupt::both, dst = plan.corrupt == Corrupt::dst;
    const auto positive = [&](std::size_t n) { return static_cast<std::size_t>(which[n]) / plan.each; };
    std::vector<std::int64_t> kept;
    if (both) {
        kept = drawn_destinations(lists, plan, which, count);
    } else {
        for (std::size_t n = 0; n < count; ++n) kept.push_back((dst ? plan.src : plan.dst)[positive(n)]);
    }
    // By kept node, so that a hub's list is read once however many negatives it has.
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return kept[a] < kept[b]; });
    in_parallel(count, plan.threads, 16, [&](std::size_t first, std::size_t last) {
        Allowed allowed;
        std::int64_t known = -1;
        for (std::size_t o = first; o < last; ++o) {
            const std::size_t n = order[o], i = positive(n);
            const auto at = static_cast<std::size_t>(which[n]);
            if (kept[n] < 0) continue;
            if (kept[n] != known) allowed.build(lists, dst ? plan.destinations : plan.sources, kept[n], plan.loops);
            known = kept[n];
            const std::int64_t partner = both ? -1 : (dst ? plan.dst : plan.src)[i];
            const std::int64_t node = allowed.draw(random_at(negative_key(plan, i, at % plan.each), 2 * kAttempts), partner);
            if (node < 0) continue;
            (dst ? out.dst : out.src)[at] = node;
            if (both) out.dst[at] = kept[n];
        }
    });
}

}  // namespace gnnctl
