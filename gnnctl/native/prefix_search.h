// Prefix sums of edge weights, and searching them: many searches at once, so that their reads, each of which misses the
// caches, overlap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gnnctl {

// A guide into the sums of one destination, one bucket for eight edges: bucket b holds the first edge whose sum is
// above the b-th part of the weight. A search then reads about two cache lines, however uneven the weights are.
struct WeightGuide {
    const std::uint32_t* first = nullptr;
    std::int64_t buckets = 0;
    double total = 0.0;

    double bound(std::int64_t bucket) const { return total * static_cast<double>(bucket) / static_cast<double>(buckets); }
    // The bucket whose bounds x lies between.
    std::int64_t bucket_of(double x) const {
        auto b = static_cast<std::int64_t>(x / total * static_cast<double>(buckets));
        b = std::clamp<std::int64_t>(b, 0, buckets - 1);
        while (b > 0 && bound(b) > x) --b;
        while (b + 1 < buckets && bound(b + 1) <= x) ++b;
        return b;
    }
};

// The in-edges of one node that may be drawn: sums[j] is the weight of edges 0..j, added up in that order.
struct WeightedList {
    const double* sums = nullptr;
    std::int64_t size = 0;
    WeightGuide guide;  // of the whole list, of which `size` may be drawn

    double total() const { return size == 0 ? 0.0 : sums[size - 1]; }
    double before(std::int64_t j) const { return j == 0 ? 0.0 : sums[j - 1]; }

    // find(0, size, x), by the guide where there is one.
    std::int64_t find(double x) const {
        if (guide.buckets == 0 || !(x < total())) return find(0, size, x);
        const std::int64_t bucket = guide.bucket_of(x);
        const auto low = std::min<std::int64_t>(guide.first[bucket], size - 1);
        const auto high = bucket + 1 == guide.buckets ? size - 1 : std::min<std::int64_t>(guide.first[bucket + 1], size - 1);
        return std::upper_bound(sums + low, sums + high, x) - sums;
    }
    // The first j in [first, last) with sums[j] > x; if rounding leaves none, the first with the sum of them all.
    std::int64_t find(std::int64_t first, std::int64_t last, double x) const {
        const double all = sums[last - 1];
        if (x < all) return std::upper_bound(sums + first, sums + last, x) - sums;
        return std::lower_bound(sums + first, sums + last, all) - sums;
    }
};

// The sums and guides of one edge type. A destination's sums start anew, so that its draws do not depend on what lies
// before it; the guide of edges [s, e) stands at places s / 8, rounded up, to e / 8, so that nothing needs an index.
class PrefixSums {
public:
    explicit PrefixSums(std::size_t edges) : sums_(edges), guide_(edges / kPerBucket + 1) {}

    // Throws nothing; false where a weight is negative or not finite. Destinations may be added by several threads.
    bool add(const float* weight, std::int64_t start, std::int64_t end) {
        double sum = 0.0;
        bool good = true;
        for (std::int64_t e = start; e < end; ++e) {
            good &= weight[e] >= 0.0F && weight[e] <= 3.402823466e38F;
            sums_[static_cast<std::size_t>(e)] = sum += static_cast<double>(weight[e]);
        }
        const WeightGuide guide = guide_of(start, end);
        std::int64_t at = 0;
        for (std::int64_t b = 0; b < guide.buckets; ++b) {
            while (at < end - start - 1 && !(sums_[static_cast<std::size_t>(start + at)] > guide.bound(b))) ++at;
            guide_[static_cast<std::size_t>(first_bucket(start) + b)] = static_cast<std::uint32_t>(at);
        }
        return good;
    }
    // The first `size` of the edges [start, end).
    WeightedList list(std::int64_t start, std::int64_t size, std::int64_t end) const {
        return {sums_.data() + start, size, guide_of(start, end)};
    }
    const double* last_sum(std::int64_t end) const { return sums_.data() + end - 1; }

private:
    static constexpr std::int64_t kPerBucket = 8, kLeastBuckets = 4;
    static std::int64_t first_bucket(std::int64_t start) { return (start + kPerBucket - 1) / kPerBucket; }

    WeightGuide guide_of(std::int64_t start, std::int64_t end) const {
        const std::int64_t buckets = end / kPerBucket - first_bucket(start);
        if (buckets < kLeastBuckets) return {};
        const double total = sums_[static_cast<std::size_t>(end - 1)];
        if (!(total > 0)) return {};
        return {guide_.data() + first_bucket(start), buckets, total};
    }

    std::vector<double> sums_;
    std::vector<std::uint32_t> guide_;
};

// Finds WeightedList::find(0, size, x) for several (list, x).
class PrefixSearch {
public:
    void clear() {
        found_.clear();
        guided_.clear();
        open_.clear();
    }
    void add(const WeightedList& list, double x) {
        const auto slot = static_cast<std::uint32_t>(found_.size());
        found_.push_back(0);
        if (!(x < list.total())) {
            found_.back() = list.find(0, list.size, x);
        } else if (list.guide.buckets > 0) {
            const std::int64_t bucket = list.guide.bucket_of(x);
            const bool last = bucket + 1 == list.guide.buckets;
            guided_.push_back({list.guide.first + bucket, list.sums, x, list.size - 1, slot, last});
            __builtin_prefetch(list.guide.first + bucket);
        } else {
            open(list.sums, x, 0, list.size - 1, slot);
        }
    }
    // One answer for each add(), in order.
    const std::vector<std::int64_t>& run() {
        for (const Guided& g : guided_) {
            const auto low = std::min<std::int64_t>(g.first[0], g.most);
            const auto high = g.last ? g.most : std::min<std::int64_t>(g.first[1], g.most);
            open(g.sums, g.x, low, high, g.slot);
        }
        while (!open_.empty()) {
            std::size_t kept = 0;
            for (std::size_t i = 0; i < open_.size(); ++i) {
                Open search = open_[i];
                if (search.look())
                    found_[search.slot] = search.low;
                else
                    open_[kept++] = search;
            }
            open_.resize(kept);
        }
        return found_;
    }

private:
    static constexpr std::int64_t kLine = 8;  // sums in a cache line

    struct Guided {
        const std::uint32_t* first;
        const double* sums;
        double x;
        std::int64_t most;
        std::uint32_t slot;
        bool last;
    };
    struct Open {
        const double* sums;
        double x;
        std::int64_t low, high;  // the answer is in [low, high]
        std::int64_t at;         // where to read next
        std::uint32_t slot;

        void aim() {
            at = low + (high - low) / 2;
            __builtin_prefetch(sums + at);
        }
        // Reads what of [low, high) is in one cache line.
        bool look() {
            const auto line = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(sums + at) / sizeof(double)) % kLine;
            const std::int64_t first = std::max(low, at - line), end = std::min(high, at - line + kLine);
            std::int64_t passed = 0;
            for (std::int64_t j = first; j < end; ++j) passed += sums[j] <= x;
            if (first + passed < end || end == high) {
                high = first + passed;
                if (passed > 0 || first == low) low = high;
            } else {
                low = end;
            }
            if (low == high) return true;
            aim();
            return false;
        }
    };

    void open(const double* sums, double x, std::int64_t low, std::int64_t high, std::uint32_t slot) {
        if (low == high) {
            found_[slot] = low;
            return;
        }
        open_.push_back({sums, x, low, high, 0, slot});
        open_.back().aim();
    }

    std::vector<std::int64_t> found_;
    std::vector<Guided> guided_;
    std::vector<Open> open_;
};

}  // namespace gnnctl
