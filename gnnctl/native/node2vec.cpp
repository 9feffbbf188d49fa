// Second-order walks (Grover and Leskovec, node2vec, KDD 2016): having come from t, a neighbour x of v has weight
// w(v, x) / p where x is t, w(v, x) where x is a neighbour of t, and w(v, x) / q else.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "checks.h"
#include "walk.h"

namespace gnnctl {
namespace {

// A proposal is accepted with probability weight / largest; after min(kAttempts, kFew + degree) refusals the step is
// drawn from all the weights, which costs a search for each. Each way alone draws from the exact distribution, so their
// mixture does.
constexpr std::uint64_t kAttempts = 200, kFew = 8;
constexpr std::size_t kTogether = 64;

struct Step {
    std::int64_t from, node;  // kDeadEnd: none
    std::uint64_t walk_key, key;
    std::int64_t entry;
    double bar;
};

class SecondOrder {
public:
    SecondOrder(const TypedCsc& graph, std::size_t type, double p, double q, bool weighted)
        : lists_(graph.sorted(type)), type_(graph.types[type]), prefix_(weighted ? graph.prefix(type).data() : nullptr),
          back_(1 / p), away_(1 / q), largest_(std::max({back_, 1.0, away_})) {}

    // Takes all steps on by one node. They wait for their reads together: each attempt asks for the lists of all that
    // still wait, then for the proposed nodes, then for the middle of the lists to search.
    void advance(std::vector<Step>& steps, bool first) {
        waiting_.clear();
        for (std::size_t i = 0; i < steps.size(); ++i)
            if (steps[i].node != kDeadEnd) waiting_.push_back(i);
        for (std::uint64_t attempt = 0; !waiting_.empty(); ++attempt) {
            for (const std::size_t i : waiting_) propose(steps[i], attempt);
            refused_.clear();
            unsure_.clear();
            for (const std::size_t i : waiting_) {
                switch (judge(steps[i], first)) {
                    case Verdict::kYes: accept(steps[i]); break;
                    case Verdict::kNo: refused_.push_back(i); break;
                    case Verdict::kSearch: unsure_.push_back(i); break;
                }
            }
            for (const std::size_t i : unsure_) {
                if (steps[i].bar < bias(steps[i].from, type_.at(steps[i].entry)))
                    accept(steps[i]);
                else
                    refused_.push_back(i);
            }
            waiting_.clear();
            for (const std::size_t i : refused_) {
                if (attempt + 1 < attempts(steps[i].node))
                    waiting_.push_back(i);
                else
                    move(steps[i], from_all(steps[i].from, steps[i].node, keyed_random(steps[i].key, 2 * kAttempts)));
            }
        }
        for (const Step& step : steps)
            if (step.node != kDeadEnd) type_.prefetch_list(step.node);
    }

private:
    enum class Verdict { kYes, kNo, kSearch };

    std::uint64_t attempts(std::int64_t node) const {
        return std::min(kAttempts, kFew + static_cast<std::uint64_t>(type_.colptr[node + 1] - type_.colptr[node]));
    }

    void propose(Step& step, std::uint64_t attempt) const {
        step.entry = drawn_entry(type_, prefix_, step.node, keyed_random(step.key, 2 * attempt));
        step.bar = unit_interval(keyed_random(step.key, 2 * attempt + 1)) * largest_;
        if (step.entry != kDeadEnd) type_.prefetch(step.entry);
    }

    // Whether the proposed node is a neighbour of `from` matters only where the bar lies between the two factors.
    Verdict judge(const Step& step, bool first) const {
        if (first || step.entry == kDeadEnd) return Verdict::kYes;
        if (type_.at(step.entry) == step.from) return step.bar < back_ ? Verdict::kYes : Verdict::kNo;
        if (step.bar < std::min(1.0, away_)) return Verdict::kYes;
        if (step.bar >= std::max(1.0, away_)) return Verdict::kNo;
        const CscType& sorted = lists_.type;
        sorted.prefetch((sorted.colptr[step.from] + sorted.colptr[step.from + 1]) / 2);
        return Verdict::kSearch;
    }

    static void move(Step& step, std::int64_t to) {
        step.from = step.node;
        step.node = to;
    }
    void accept(Step& step) const { move(step, step.entry == kDeadEnd ? kDeadEnd : type_.at(step.entry)); }

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
    double back_, away_, largest_;
    std::vector<double> sums_;
    std::vector<std::size_t> waiting_, refused_, unsure_;
};

}  // namespace

void node2vec_walks(const TypedCsc& graph, std::size_t type, double p, double q, const WalkPlan& plan, std::int64_t* out) {
    const std::size_t stride = plan.length + 1;
    in_parallel(plan.count(), plan.threads, kTogether, [&](std::size_t first, std::size_t last) {
        SecondOrder draw(graph, type, p, q, plan.weighted);
        std::vector<Step> steps;
        for (std::size_t at = first; at < last; at += kTogether) {
            const std::size_t count = std::min(kTogether, last - at);
            steps.clear();
            for (std::size_t w = at; w < at + count; ++w) {
                const std::int64_t start = plan.starts[w / plan.walks];
                steps.push_back({kDeadEnd, start, walk_key(plan.key, start, w % plan.walks), 0, kDeadEnd, 0});
                out[w * stride] = start;
            }
            for (std::size_t step = 1; step < stride; ++step) {
                for (Step& s : steps) s.key = absorb(s.walk_key, step - 1);
                draw.advance(steps, step == 1);
                for (std::size_t w = 0; w < count; ++w) out[(at + w) * stride + step] = steps[w].node;
            }
        }
    });
}

}  // namespace gnnctl
