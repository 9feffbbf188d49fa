#include "negatives.h"

#include <algorithm>
#include <mutex>

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

// What may not stand at the drawn end beside the kept node: its neighbours, its own partner, and itself.
void forbidden_ends(const SortedLists& lists, std::int64_t kept, std::int64_t partner, bool loops, std::vector<std::int64_t>& out) {
    out.clear();
    for (std::int64_t e = lists.type.colptr[kept]; e < lists.type.colptr[kept + 1]; ++e) out.push_back(lists.type.at(e));
    if (partner >= 0) out.push_back(partner);
    if (!loops) out.push_back(kept);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
}

std::int64_t allowed_total(const Population& population, const std::vector<std::int64_t>& forbidden) {
    std::int64_t total = population.total();
    for (const std::int64_t node : forbidden) total -= population.share(node).second;
    return total;
}

// The allowed node whose share holds the place, the forbidden ones left out; place < allowed_total.
std::int64_t allowed_at(const Population& population, const std::vector<std::int64_t>& forbidden, std::int64_t place) {
    for (const std::int64_t node : forbidden) {
        const auto [first, weight] = population.share(node);
        if (weight == 0) continue;
        if (first > place) break;
        place += weight;
    }
    return population.at(place);
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
    const bool both = plan.corrupt == Corrupt::both;
    const Population& drawn = plan.corrupt == Corrupt::dst ? plan.destinations : plan.sources;
    // Of both ends the destination comes first, with what its allowed sources weigh; a source then follows as usual.
    std::vector<double> sums;
    if (both) {
        sums.assign(static_cast<std::size_t>(plan.destinations.size) + 1, 0);
        std::vector<std::int64_t> forbidden;
        for (std::int64_t i = 0; i < plan.destinations.size; ++i) {
            const std::int64_t v = plan.destinations.nodes ? plan.destinations.nodes[i] : i;
            forbidden_ends(lists, v, -1, plan.loops, forbidden);
            const auto weight = static_cast<double>(plan.destinations.share(v).second);
            sums[static_cast<std::size_t>(i) + 1] = sums[static_cast<std::size_t>(i)] + weight * static_cast<double>(allowed_total(drawn, forbidden));
        }
    }
    in_parallel(count, plan.threads, 16, [&](std::size_t first, std::size_t last) {
        std::vector<std::int64_t> forbidden;
        std::int64_t known_kept = -1, known_partner = -1;
        for (std::size_t n = first; n < last; ++n) {
            const auto at = static_cast<std::size_t>(which[n]), i = at / plan.each;
            const std::uint64_t key = negative_key(plan, i, at % plan.each);
            std::int64_t kept = plan.corrupt == Corrupt::dst ? plan.src[i] : plan.dst[i];
            std::int64_t partner = plan.corrupt == Corrupt::dst ? plan.dst[i] : plan.src[i];
            if (both) {
                if (!(sums.back() > 0)) continue;
                const double share = unit_interval(random_at(key, 2 * kAttempts + 1)) * sums.back();
                auto place = std::upper_bound(sums.begin(), sums.end(), share);
                if (place == sums.end()) place = std::lower_bound(sums.begin(), sums.end(), sums.back());
                const std::int64_t d = place - sums.begin() - 1;
                kept = plan.destinations.nodes ? plan.destinations.nodes[d] : d;
                partner = -1;
            }
            if (kept != known_kept || partner != known_partner) forbidden_ends(lists, kept, partner, plan.loops, forbidden);
            known_kept = kept;
            known_partner = partner;
            const std::int64_t total = allowed_total(drawn, forbidden);
            if (total <= 0) continue;
            const auto place = static_cast<std::int64_t>(bounded(random_at(key, 2 * kAttempts), static_cast<std::uint64_t>(total)));
            const std::int64_t node = allowed_at(drawn, forbidden, place);
            (plan.corrupt == Corrupt::dst ? out.dst : out.src)[at] = node;
            if (both) out.dst[at] = kept;
        }
    });
}

}  // namespace gnnctl
