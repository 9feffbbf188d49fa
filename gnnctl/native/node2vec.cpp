// Second-order walks (Grover and Leskovec, node2vec, KDD 2016): having come from t, a neighbour x of v has weight
// w(v, x) / p where x is t, w(v, x) where x is a neighbour of t, and w(v, x) / q else.
#include <algorithm>
#include <vector>

#include "checks.h"
#include "walk.h"

namespace gnnctl {
namespace {

// A proposal is accepted with probability weight / largest; after so many refusals the step is drawn from all the
// weights. Each way alone draws from the exact distribution, so their mixture does.
constexpr std::uint64_t kAttempts = 24;

class SecondOrder {
public:
    SecondOrder(const TypedCsc& graph, std::size_t type, double p, double q, bool weighted)
        : lists_(graph.sorted(type)), type_(graph.types[type]), prefix_(weighted ? graph.prefix(type).data() : nullptr),
          back_(1 / p), away_(1 / q), largest_(std::max({back_, 1.0, away_})), least_(std::min({back_, 1.0, away_})) {}

    std::int64_t first(std::int64_t node, std::uint64_t key) const {
        return node_at(drawn_entry(type_, prefix_, node, keyed_random(key, 0)));
    }

    std::int64_t step(std::int64_t from, std::int64_t node, std::uint64_t key) {
        for (std::uint64_t attempt = 0; attempt < kAttempts; ++attempt) {
            const std::int64_t proposed = node_at(drawn_entry(type_, prefix_, node, keyed_random(key, 2 * attempt)));
            if (proposed == kDeadEnd) return kDeadEnd;
            const double bar = unit_interval(keyed_random(key, 2 * attempt + 1)) * largest_;
            if (bar < least_ || bar < bias(from, proposed)) return proposed;
        }
        return from_all(from, node, keyed_random(key, 2 * kAttempts));
    }

private:
    std::int64_t node_at(std::int64_t entry) const { return entry == kDeadEnd ? kDeadEnd : type_.at(entry); }
    double bias(std::int64_t from, std::int64_t to) const {
        if (to == from) return back_;
        return lists_.contains(from, to) ? 1.0 : away_;
    }
    std::int64_t from_all(std::int64_t from, std::int64_t node, std::uint64_t random) {
        const std::int64_t first = type_.colptr[node], last = type_.colptr[node + 1];
        sums_.clear();
        double sum = 0;
        for (std::int64_t e = first; e < last; ++e) {
            const double weight = prefix_ == nullptr ? 1.0 : static_cast<double>(type_.weight[e]);
            if (weight > 0) sum += weight * bias(from, type_.at(e));
            sums_.push_back(sum);
        }
        const std::int64_t chosen = weighted_entry(sums_.data(), 0, last - first, random);
        return chosen < 0 ? kDeadEnd : type_.at(first + chosen);
    }

    const SortedLists& lists_;
    const CscType& type_;
    const double* prefix_;
    double back_, away_, largest_, least_;
    std::vector<double> sums_;
};

}  // namespace

void node2vec_walks(const TypedCsc& graph, std::size_t type, double p, double q, const WalkPlan& plan, std::int64_t* out) {
    const std::size_t stride = plan.length + 1;
    in_parallel(plan.count(), plan.threads, 16, [&](std::size_t first, std::size_t last) {
        SecondOrder draw(graph, type, p, q, plan.weighted);
        for (std::size_t w = first; w < last; ++w) {
            std::int64_t* walk = out + w * stride;
            walk[0] = plan.starts[w / plan.walks];
            const std::uint64_t key = walk_key(plan.key, walk[0], w % plan.walks);
            for (std::size_t step = 1; step < stride; ++step) {
                const std::uint64_t step_key = absorb(key, step - 1);
                if (walk[step - 1] == kDeadEnd)
                    walk[step] = kDeadEnd;
                else if (step == 1)
                    walk[step] = draw.first(walk[0], step_key);
                else
                    walk[step] = draw.step(walk[step - 2], walk[step - 1], step_key);
            }
        }
    });
}

}  // namespace gnnctl
