// The expansion of one batch. Random reads of colptr, row and the node table miss every cache, so the frontier is
// worked through in blocks: while one block's neighbours are inserted, the next block's are on their way from memory.
#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "budget.h"
#include "local_nodes.h"
#include "neighbour_picker.h"
#include "sampler.h"

namespace gnnctl {

// One thread's memory between batches.
class Workspace {
public:
    virtual ~Workspace() = default;
    virtual SampledSubgraph sample(const Seeds& seeds, std::uint64_t epoch) = 0;
};

inline constexpr std::size_t kBlock = 32;
// FNV-1a of "budget" and "labor", which stand where a name's hash stands otherwise.
inline constexpr std::uint64_t kBudgetHash = 0x7DB4E3DFF7CCB8A8ULL, kLaborHash = 0x3A19FEEC8FE84C09ULL;

inline std::int64_t wanted(std::int64_t fan_out, std::int64_t degree, bool replace) {
    if (fan_out < 0 || degree == 0) return degree;
    return replace ? fan_out : std::min(fan_out, degree);
}

template <class Key, bool Disjoint>
class Expansion final : public Workspace {
public:
    Expansion(const SamplerPlan& plan, const std::shared_ptr<BufferPool>& pool)
        : plan_(plan), rules_(plan.rules), pool_(pool), edge_hints_(plan.edge_types.size(), 0), picker_(plan.rules) {
        for (const std::int64_t n : plan.num_nodes) nodes_.emplace_back(pool, n);
    }

    SampledSubgraph sample(const Seeds& seeds, std::uint64_t epoch) override {
        prepare(seeds, epoch);
        for (hop_ = 0; hop_ < plan_.hops; ++hop_) {
            for (std::size_t t = 0; t < nodes_.size(); ++t) {
                begin_[t] = end_[t];
                end_[t] = nodes_[t].size();
            }
            if (!rules_.budget.empty()) deal_budgets();
            for (std::size_t e = 0; e < plan_.edge_types.size(); ++e) {
                if (plan_.edge_types[e].wide)
                    expand<std::int64_t>(e);
                else
                    expand<std::int32_t>(e);
            }
            for (auto& nodes : nodes_) nodes.end_hop();
        }
        return finish();
    }

private:
    // A block of frontier nodes on its way: measured, chosen for, looked up, inserted.
    struct Stage {
        std::size_t first_node = 0, nodes = 0, first_edge = 0, edges = 0;
        std::int64_t start[kBlock], end[kBlock];  // in-edges
        std::int64_t degree[kBlock];              // how many of them may be drawn
        std::uint32_t taken[kBlock];
        std::vector<Key> keys;
        std::vector<std::int32_t> groups;  // disjoint only
    };

    void prepare(const Seeds& seeds, std::uint64_t epoch) {
        const std::size_t types = plan_.num_nodes.size();
        seed_times_ = seeds.times;
        hidden_ = seeds.hidden;
        out_ = SampledSubgraph{};
        begin_.assign(types, 0);
        end_.assign(types, 0);
        for (auto& nodes : nodes_) nodes.start();
        for (std::size_t e = 0; e < plan_.edge_types.size(); ++e) {
            out_.edges.push_back({Buffer<std::int64_t>(pool_), Buffer<std::int32_t>(pool_), Buffer<std::int64_t>(pool_), {}});
            out_.edges[e].colptr.push(0);
            out_.edges[e].row.reserve(edge_hints_[e] + 1);
            out_.edges[e].pos.reserve(edge_hints_[e] + 1);
        }
        run_key_ = absorb(absorb(0, plan_.seed), epoch);
        if (Disjoint) {
            run_key_ = absorb(run_key_, seeds.kind);
            seed_words_.resize(seeds.words.size());
            std::transform(seeds.words.begin(), seeds.words.end(), seed_words_.begin(), premix);
        }
        labor_key_ = absorb(run_key_, kLaborHash);
        for (std::size_t t = 0; t < types; ++t) {
            if (t < seeds.rows.size()) add_seeds(seeds.rows[t], Disjoint ? seeds.group[t].data() : nullptr, nodes_[t]);
            nodes_[t].end_hop();
        }
    }
    static void add_seeds(const std::vector<std::int64_t>& rows, const std::int32_t* groups, LocalNodes<Key, Disjoint>& nodes) {
        nodes.make_room(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const std::int32_t group = Disjoint ? groups[i] : 0;
            const Key key = nodes.key(static_cast<std::uint64_t>(rows[i]), static_cast<std::uint64_t>(group));
            std::int32_t local = 0;
            nodes.insert(&key, 1, [&](std::size_t) { return rows[i]; }, [&](std::size_t) { return group; }, &local);
            if (nodes.size() == i) throw std::invalid_argument("seeds: row " + std::to_string(rows[i]) + " occurs twice");
        }
    }

    SampledSubgraph finish() {
        for (std::size_t e = 0; e < out_.edges.size(); ++e) {
            SampledEdges& edges = out_.edges[e];
            const std::size_t destinations = nodes_[plan_.edge_types[e].dst].size();
            const std::size_t known = edges.colptr.size();
            const std::int64_t last = edges.colptr[known - 1];
            edges.colptr.reserve(destinations + 1);
            std::fill(edges.colptr.data() + known, edges.colptr.data() + destinations + 1, last);
            edges.colptr.set_size(destinations + 1);
            edge_hints_[e] = edges.pos.size() + edges.pos.size() / 16;
        }
        for (auto& nodes : nodes_) out_.nodes.push_back(nodes.finish());
        return std::move(out_);
    }

    std::uint64_t node_key(std::uint64_t type_key, std::size_t type, std::size_t local) const {
        if constexpr (Disjoint) {
            const std::size_t group = nodes_[type].group(local);
            type_key = absorb_mixed(type_key, seed_words_[group]);
            if (!seed_times_.empty()) type_key = absorb(type_key, static_cast<std::uint64_t>(seed_times_[group]));
        }
        return absorb(type_key, static_cast<std::uint64_t>(nodes_[type].row(local)));
    }

    template <class Row>
    void expand(std::size_t e) {
        const SampledEdgeType& type = plan_.edge_types[e];
        SampledEdges& edges = out_.edges[e];
        const std::size_t first = begin_[type.dst], frontier = end_[type.dst] - first;
        const std::size_t edges_before = edges.pos.size();
        edges.colptr.reserve(edges.colptr.size() + frontier);
        if (type.fan_out[hop_] == 0) {
            const std::int64_t last = edges.colptr[edges.colptr.size() - 1];
            for (std::size_t i = 0; i < frontier; ++i) edges.colptr.push(last);
        } else {
            const std::uint64_t type_key = absorb(run_key_, type.name_hash);
            const std::size_t blocks = (frontier + kBlock - 1) / kBlock;
            if (frontier != 0) prefetch_colptr(type, first, std::min(kBlock, frontier));
            for (std::size_t step = 0; blocks != 0 && step < blocks + 3; ++step) {
                if (step < blocks) {
                    const std::size_t at = step * kBlock, next = at + kBlock;
                    if (next < frontier) prefetch_colptr(type, first + next, std::min(kBlock, frontier - next));
                    measure<Row>(type, first + at, std::min(kBlock, frontier - at), stages_[step % 4]);
                }
                if (step >= 1 && step <= blocks) choose<Row>(e, type_key, stages_[(step - 1) % 4]);
                if (step >= 2 && step <= blocks + 1) look<Row>(e, stages_[(step - 2) % 4]);
                if (step >= 3) insert<Row>(e, stages_[(step - 3) % 4]);
            }
        }
        edges.counts.push_back(static_cast<std::int64_t>(edges.pos.size() - edges_before));
    }

    void prefetch_colptr(const SampledEdgeType& type, std::size_t first, std::size_t count) const {
        const std::int64_t* rows = nodes_[type.dst].rows() + first;
        for (std::size_t i = 0; i < count; ++i) {
            __builtin_prefetch(type.colptr + rows[i]);
            __builtin_prefetch(type.colptr + rows[i] + 1);
        }
    }

    // Reads where the in-edges of one block of frontier nodes are, as far as their seeds may see them.
    template <class Row>
    void measure(const SampledEdgeType& type, std::size_t first, std::size_t count, Stage& stage) const {
        const std::int64_t* rows = nodes_[type.dst].rows() + first;
        for (std::size_t i = 0; i < count; ++i) {
            stage.start[i] = type.colptr[rows[i]];
            stage.end[i] = type.colptr[rows[i] + 1];
            stage.degree[i] = stage.end[i] - stage.start[i];
        }
        stage.first_node = first;
        stage.nodes = count;
        if (rules_.visible != Visible::always && type.times.any()) {
            std::int64_t times[kBlock];
            for (std::size_t i = 0; i < count; ++i)
                times[i] = seed_times_[nodes_[type.dst].group(first + i)];
            keep_visible(type.times, static_cast<const Row*>(type.row), stage.start, times, rules_.visible == Visible::until,
                         count, stage.degree);
        }
        if (type.weights != nullptr)
            for (std::size_t i = 0; i < count; ++i) {
                if (stage.degree[i] > 0) __builtin_prefetch(type.weights->last_sum(stage.start[i] + stage.degree[i]));
                if (stage.end[i] > stage.start[i]) __builtin_prefetch(type.weights->last_sum(stage.end[i]));
            }
    }

    // Chooses the positions of a block and asks for the rows there.
    template <class Row>
    void choose(std::size_t e, std::uint64_t type_key, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        SampledEdges& edges = out_.edges[e];
        const auto* neighbours = static_cast<const Row*>(type.row);
        const std::uint64_t labor_key = absorb(labor_key_, plan_.node_type_hashes[type.src]);
        Choice choices[kBlock];
        std::int64_t most = 0;
        for (std::size_t i = 0; i < stage.nodes; ++i) {
            const std::int64_t fan_out = type.fan_out[hop_], degree = stage.degree[i];
            Choice& choice = choices[i];
            choice.start = stage.start[i];
            choice.end = stage.end[i];
            choice.degree = degree;
            // As many more as are hidden are drawn, and those passed over.
            const auto hidden = static_cast<std::int64_t>(hidden_before(e, stage.first_node + i, degree));
            choice.take = hidden + (rules_.budget.empty() ? wanted(fan_out, degree - hidden, rules_.replace)
                                                          : dealt_[e][stage.first_node + i - begin_[type.dst]]);
            choice.hidden = hidden;
            choice.all = choice.take == degree && (!rules_.replace || fan_out < 0);
            choice.labor_key = labor_key;
            if (!choice.all) choice.key = node_key(type_key, type.dst, stage.first_node + i);
            most += choice.take;
        }
        picker_.expect(type, choices, stage.nodes);
        const std::size_t done = edges.pos.size();
        if (done + static_cast<std::size_t>(most) > kMostNodes)
            throw std::length_error("seeds: the batch reaches 2^31 edges of one type");
        edges.pos.reserve(done + static_cast<std::size_t>(most));
        edges.row.reserve(done + static_cast<std::size_t>(most));
        std::int64_t* const begin = edges.pos.data();
        std::int64_t* at = begin + done;
        std::int64_t* colptr = edges.colptr.data() + edges.colptr.size();
        for (std::size_t i = 0; i < stage.nodes; ++i) {
            const Choice& choice = choices[i];
            const std::int64_t* const before = at;
            if (choice.hidden != 0) {
                const std::int64_t* const enough = at + choice.take - choice.hidden;
                picker_.pick<Row>(type, choice, [&](std::int64_t offset) {
                    if (at != enough && !hidden_[e].holds(stage.first_node + i, offset)) *at++ = choice.start + offset;
                });
            } else if (choice.all && rules_.draw != Draw::recent && type.weights == nullptr) {
                at = take_all(neighbours, choice, at);
            } else {
                picker_.pick<Row>(type, choice, [&](std::int64_t offset) {
                    *at++ = choice.start + offset;
                    __builtin_prefetch(neighbours + choice.start + offset);
                });
            }
            *colptr++ = at - begin;
            stage.taken[i] = static_cast<std::uint32_t>(at - before);
        }
        edges.colptr.set_size(edges.colptr.size() + stage.nodes);
        edges.pos.set_size(static_cast<std::size_t>(at - begin));
        stage.first_edge = done;
        stage.edges = edges.pos.size() - done;
    }
    template <class Row>
    static std::int64_t* take_all(const Row* neighbours, const Choice& choice, std::int64_t* at) {
        constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(Row)), kAsked = 64;
        const std::int64_t asked = std::min(choice.degree, kAsked);
        for (std::int64_t j = 0; j < asked; j += kLine) __builtin_prefetch(neighbours + choice.start + j);
        if (asked > 0) __builtin_prefetch(neighbours + choice.start + asked - 1);
        for (std::int64_t j = 0; j < choice.degree; ++j) *at++ = choice.start + j;
        return at;
    }

    // Reads the rows of a block's choices and asks for their places in the node table.
    template <class Row>
    void look(std::size_t e, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        const auto* neighbours = static_cast<const Row*>(type.row);
        const std::int64_t* pos = out_.edges[e].pos.data() + stage.first_edge;
        const auto& sources = nodes_[type.src];
        if (stage.keys.size() < stage.edges) stage.keys.resize(stage.edges + stage.edges / 2);
        if constexpr (Disjoint) {
            if (stage.groups.size() < stage.edges) stage.groups.resize(stage.keys.size());
            std::int32_t* at = stage.groups.data();
            for (std::size_t i = 0; i < stage.nodes; ++i)
                at = std::fill_n(at, stage.taken[i], static_cast<std::int32_t>(nodes_[type.dst].group(stage.first_node + i)));
        }
        for (std::size_t i = 0; i < stage.edges; ++i) {
            const std::uint64_t group = Disjoint ? static_cast<std::uint64_t>(stage.groups[i]) : 0;
            stage.keys[i] = sources.key(static_cast<std::uint64_t>(neighbours[pos[i]]), group);
            sources.prefetch(stage.keys[i]);
        }
    }

    // Numbers the block's neighbours in the order they were picked.
    template <class Row>
    void insert(std::size_t e, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        const auto* neighbours = static_cast<const Row*>(type.row);
        const std::int64_t* pos = out_.edges[e].pos.data() + stage.first_edge;
        const Key* keys = stage.keys.data();
        const auto row_of = [&](std::size_t i) {
            return Disjoint ? static_cast<std::int64_t>(neighbours[pos[i]]) : static_cast<std::int64_t>(keys[i]);
        };
        nodes_[type.src].make_room(stage.edges);
        nodes_[type.src].insert(keys, stage.edges, row_of, [&](std::size_t i) { return stage.groups[i]; },
                                out_.edges[e].row.data() + stage.first_edge);
        out_.edges[e].row.set_size(stage.first_edge + stage.edges);
    }

    // What each frontier node may draw over each edge type into it, where the hop has a budget.
    void deal_budgets() {
        const std::int64_t budget = rules_.budget[hop_];
        dealt_.resize(plan_.edge_types.size());
        for (std::size_t dst = 0; dst < plan_.num_nodes.size(); ++dst) {
            std::vector<std::size_t> types;
            for (std::size_t e = 0; e < plan_.edge_types.size(); ++e)
                if (plan_.edge_types[e].dst == dst) types.push_back(e);
            const std::size_t frontier = end_[dst] - begin_[dst];
            for (const std::size_t e : types) dealt_[e].assign(frontier, 0);
            for (std::size_t i = 0; i < frontier; ++i) deal(budget, dst, begin_[dst] + i, types);
        }
    }
    void deal(std::int64_t budget, std::size_t dst, std::size_t local, const std::vector<std::size_t>& types) {
        const std::int64_t node = nodes_[dst].row(local);
        takes_.clear();
        std::int64_t total = 0;
        for (const std::size_t e : types) {
            const SampledEdgeType& type = plan_.edge_types[e];
            const std::int64_t degree = visible_degree(type, node, dst, local);
            const auto hidden = static_cast<std::int64_t>(hidden_before(e, local, degree));
            takes_.push_back(wanted(type.fan_out[hop_], degree - hidden, rules_.replace));
            total += takes_.back();
        }
        if (budget >= 0 && total > budget)
            dealer_.deal(takes_, budget, node_key(absorb(run_key_, kBudgetHash), dst, local), picker_.uniform());
        for (std::size_t t = 0; t < types.size(); ++t) dealt_[types[t]][local - begin_[dst]] = takes_[t];
    }

    // Only what leads into the seeds themselves is hidden, and they are expanded at the first hop.
    std::size_t hidden_before(std::size_t e, std::size_t local, std::int64_t degree) const {
        return hop_ != 0 || hidden_.empty() ? 0 : hidden_[e].before(local, degree);
    }

    std::int64_t visible_degree(const SampledEdgeType& type, std::int64_t node, std::size_t dst, std::size_t local) const {
        const std::int64_t start = type.colptr[node];
        std::int64_t degree = type.colptr[node + 1] - start;
        if (rules_.visible == Visible::always || !type.times.any()) return degree;
        const std::int64_t time = seed_times_[nodes_[dst].group(local)];
        const bool until = rules_.visible == Visible::until;
        if (type.wide)
            keep_visible(type.times, static_cast<const std::int64_t*>(type.row), &start, &time, until, 1, &degree);
        else
            keep_visible(type.times, static_cast<const std::int32_t*>(type.row), &start, &time, until, 1, &degree);
        return degree;
    }

    const SamplerPlan& plan_;
    const SamplerRules& rules_;
    std::shared_ptr<BufferPool> pool_;
    std::vector<LocalNodes<Key, Disjoint>> nodes_;
    std::vector<std::size_t> edge_hints_;
    std::vector<std::size_t> begin_, end_;
    std::vector<std::uint64_t> seed_words_;
    std::vector<std::int64_t> seed_times_;
    std::vector<HiddenEdges> hidden_;
    std::vector<std::vector<std::int64_t>> dealt_;
    std::vector<std::int64_t> takes_;
    BudgetDealer dealer_;
    Stage stages_[4];
    NeighbourPicker picker_;
    SampledSubgraph out_;
    std::uint64_t run_key_ = 0, labor_key_ = 0;
    std::size_t hop_ = 0;
};

}  // namespace gnnctl
