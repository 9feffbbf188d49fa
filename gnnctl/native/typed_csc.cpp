#include "typed_csc.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gnnctl {
namespace {

template <class Row>
bool lists_sorted(const CscType& type, const Row* row) {
    for (std::int64_t v = 0; v < type.num_dst; ++v)
        if (!std::is_sorted(row + type.colptr[v], row + type.colptr[v + 1])) return false;
    return true;
}

template <class Row>
void sort_lists(const CscType& type, const Row* row, std::vector<Row>& out, std::vector<std::int64_t>& order) {
    const auto edges = static_cast<std::size_t>(type.edges());
    out.resize(edges);
    order.resize(edges);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::int64_t v = 0; v < type.num_dst; ++v)
        std::sort(order.begin() + type.colptr[v], order.begin() + type.colptr[v + 1],
                  [&](std::int64_t a, std::int64_t b) { return row[a] != row[b] ? row[a] < row[b] : a < b; });
    for (std::size_t e = 0; e < edges; ++e) out[e] = row[order[e]];
}

}  // namespace

bool SortedLists::contains(std::int64_t node, std::int64_t neighbour) const {
    std::int64_t low = type.colptr[node], high = type.colptr[node + 1];
    while (low < high) {
        const std::int64_t middle = low + (high - low) / 2, found = type.at(middle);
        if (found == neighbour) return true;
        if (found < neighbour)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

std::pair<std::int64_t, std::int64_t> SortedLists::range(std::int64_t node, std::int64_t neighbour) const {
    const std::int64_t first = type.colptr[node], last = type.colptr[node + 1];
    const auto in = [&](const auto* row) {
        using Row = std::remove_cv_t<std::remove_pointer_t<decltype(row)>>;
        const auto found = std::equal_range(row + first, row + last, static_cast<Row>(neighbour));
        return std::pair<std::int64_t, std::int64_t>(found.first - row, found.second - row);
    };
    return type.narrow ? in(type.narrow) : in(type.wide);
}

void TypedCsc::finish() {
    for (std::size_t t = 0; t < types.size(); ++t) views_.push_back(std::make_unique<Views>());
}

const SortedLists& TypedCsc::sorted(std::size_t type) const {
    Views& views = *views_[type];
    std::call_once(views.sorted_once, [&] {
        SortedLists& lists = views.sorted;
        lists.type = types[type];
        if (lists.type.narrow) {
            if (lists_sorted(lists.type, lists.type.narrow)) return;
            sort_lists(types[type], types[type].narrow, lists.narrow, lists.order);
            lists.type.narrow = lists.narrow.data();
        } else {
            if (lists_sorted(lists.type, lists.type.wide)) return;
            sort_lists(types[type], types[type].wide, lists.wide, lists.order);
            lists.type.wide = lists.wide.data();
        }
    });
    return views.sorted;
}

const std::vector<double>& TypedCsc::prefix(std::size_t type) const {
    Views& views = *views_[type];
    std::call_once(views.prefix_once, [&] {
        const CscType& csc = types[type];
        std::vector<double> sums(static_cast<std::size_t>(csc.edges()));
        for (std::int64_t v = 0; v < csc.num_dst; ++v) {
            double sum = 0;
            for (std::int64_t e = csc.colptr[v]; e < csc.colptr[v + 1]; ++e) {
                sum += static_cast<double>(csc.weight[e]);
                sums[static_cast<std::size_t>(e)] = sum;
            }
        }
        views.prefix = std::move(sums);
    });
    return views.prefix;
}

std::int64_t weighted_entry(const double* prefix, std::int64_t first, std::int64_t last, std::uint64_t random) {
    if (first == last || prefix[last - 1] <= 0) return -1;
    const double share = unit_interval(random) * prefix[last - 1];
    return std::upper_bound(prefix + first, prefix + last, share) - prefix;
}

}  // namespace gnnctl
