// The sampling kernel. Random reads of colptr, row and the node table miss every cache, so the frontier is worked
// through in blocks: while one block's neighbours are inserted, the next block's are on their way from memory.
#include "sampler.h"

#include <algorithm>
#include <stdexcept>

#include "budget.h"
#include "keyed.h"
#include "node_table.h"

namespace gnnctl {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kMostNodes = 0x7FFFFFFF;
// Stands where an edge type's hash stands, for the order in which a budget's remainder is dealt: FNV-1a of "budget".
constexpr std::uint64_t kBudgetHash = 0x7DB4E3DFF7CCB8A8ULL;

std::int64_t wanted(std::int64_t fan_out, std::int64_t degree, bool replace) {
    if (fan_out < 0 || degree == 0) return degree;
    return replace ? fan_out : std::min(fan_out, degree);
}

}  // namespace

class Workspace {
public:
    virtual ~Workspace() = default;
    virtual SampledSubgraph sample(const std::int64_t* seeds, std::size_t count, std::size_t type, std::uint64_t epoch) = 0;
};

namespace {

template <class Key, bool Disjoint>
class Sampling final : public Workspace {
public:
    Sampling(const SamplerPlan& plan, const std::shared_ptr<BufferPool>& pool)
        : plan_(plan), pool_(pool), node_hints_(plan.num_nodes.size(), 0), edge_hints_(plan.edge_types.size(), 0) {
        for (const std::int64_t n : plan.num_nodes)
            tables_.emplace_back(pool, Disjoint ? ~std::uint64_t{0} : static_cast<std::uint64_t>(n));
    }

    SampledSubgraph sample(const std::int64_t* seeds, std::size_t count, std::size_t type, std::uint64_t epoch) override {
        prepare(seeds, count, type, epoch);
        for (hop_ = 0; hop_ < plan_.hops; ++hop_) {
            for (std::size_t t = 0; t < out_.nodes.size(); ++t) {
                begin_[t] = end_[t];
                end_[t] = out_.nodes[t].rows.size();
            }
            if (!plan_.budget.empty()) deal_budgets();
            for (std::size_t e = 0; e < plan_.edge_types.size(); ++e) {
                if (plan_.edge_types[e].wide)
                    expand<std::int64_t>(e);
                else
                    expand<std::int32_t>(e);
            }
            for (SampledNodes& nodes : out_.nodes) {
                std::int64_t before = 0;
                for (const std::int64_t n : nodes.counts) before += n;
                nodes.counts.push_back(static_cast<std::int64_t>(nodes.rows.size()) - before);
            }
        }
        return finish();
    }

private:
    struct Stage {
        std::size_t first_edge = 0, edges = 0, nodes = 0, first_node = 0;
        std::uint32_t take[kBlock];
        std::vector<Key> keys;
    };

    Key table_key(std::size_t type, std::uint64_t node, std::uint64_t group) const {
        if constexpr (Disjoint) return static_cast<Key>(group * static_cast<std::uint64_t>(plan_.num_nodes[type]) + node);
        return static_cast<Key>(node);
    }
    auto key_of(std::size_t type) const {
        const SampledNodes& nodes = out_.nodes[type];
        return [this, type, &nodes](std::size_t i) {
            return table_key(type, static_cast<std::uint64_t>(nodes.rows[i]),
                             Disjoint ? static_cast<std::uint64_t>(nodes.group[i]) : 0);
        };
    }

    void prepare(const std::int64_t* seeds, std::size_t count, std::size_t type, std::uint64_t epoch) {
        const std::size_t types = plan_.num_nodes.size();
        out_ = SampledSubgraph{};
        begin_.assign(types, 0);
        end_.assign(types, 0);
        for (std::size_t t = 0; t < types; ++t) {
            out_.nodes.push_back({Buffer<std::int64_t>(pool_), Buffer<std::int32_t>(pool_), {}});
            out_.nodes[t].rows.reserve(node_hints_[t] + 1);
            if (Disjoint) out_.nodes[t].group.reserve(node_hints_[t] + 1);
        }
        for (std::size_t e = 0; e < plan_.edge_types.size(); ++e) {
            out_.edges.push_back({Buffer<std::int64_t>(pool_), Buffer<std::int32_t>(pool_), Buffer<std::int64_t>(pool_), {}});
            out_.edges[e].colptr.push(0);
            out_.edges[e].row.reserve(edge_hints_[e] + 1);
            out_.edges[e].pos.reserve(edge_hints_[e] + 1);
        }
        run_key_ = absorb(absorb(0, plan_.seed), epoch);
        if (Disjoint) {
            run_key_ = absorb(run_key_, plan_.node_type_hashes[type]);
            seed_words_.resize(count);
            for (std::size_t i = 0; i < count; ++i) seed_words_[i] = premix(static_cast<std::uint64_t>(seeds[i]));
        }
        make_room(type, count);
        auto next = std::uint32_t{0};
        SampledNodes& nodes = out_.nodes[type];
        for (std::size_t i = 0; i < count; ++i) {
            nodes.rows[next] = seeds[i];
            if (Disjoint) nodes.group[next] = static_cast<std::int32_t>(i);
            const std::uint32_t before = next;
            tables_[type].insert(table_key(type, static_cast<std::uint64_t>(seeds[i]), i), next);
            if (next == before) throw std::invalid_argument("seeds: row " + std::to_string(seeds[i]) + " occurs twice");
            nodes.rows.set_size(next);
            if (Disjoint) nodes.group.set_size(next);
        }
        for (std::size_t t = 0; t < types; ++t) out_.nodes[t].counts.push_back(t == type ? static_cast<std::int64_t>(count) : 0);
    }

    SampledSubgraph finish() {
        for (std::size_t t = 0; t < tables_.size(); ++t) {
            tables_[t].clear(out_.nodes[t].rows.size(), key_of(t));
            node_hints_[t] = out_.nodes[t].rows.size() + out_.nodes[t].rows.size() / 16;
        }
        for (std::size_t e = 0; e < out_.edges.size(); ++e) {
            SampledEdges& edges = out_.edges[e];
            const std::size_t destinations = out_.nodes[plan_.edge_types[e].dst].rows.size();
            const std::size_t known = edges.colptr.size();
            const std::int64_t last = edges.colptr[known - 1];
            edges.colptr.reserve(destinations + 1);
            std::fill(edges.colptr.data() + known, edges.colptr.data() + destinations + 1, last);
            edges.colptr.set_size(destinations + 1);
            edge_hints_[e] = edges.pos.size() + edges.pos.size() / 16;
        }
        return std::move(out_);
    }

    void make_room(std::size_t type, std::size_t more) {
        SampledNodes& nodes = out_.nodes[type];
        const std::size_t present = nodes.rows.size();
        if (present + more >= kMostNodes) throw std::length_error("seeds: the batch reaches 2^31 nodes");
        nodes.rows.reserve(present + more + 1);
        if (Disjoint) nodes.group.reserve(present + more + 1);
        if (!tables_[type].fits(present + more)) tables_[type].grow(present + more, present, key_of(type));
    }

    std::uint64_t node_key(std::uint64_t type_key, std::size_t type, std::size_t local) const {
        const SampledNodes& nodes = out_.nodes[type];
        if constexpr (Disjoint) type_key = absorb_mixed(type_key, seed_words_[static_cast<std::size_t>(nodes.group[local])]);
        return absorb(type_key, static_cast<std::uint64_t>(nodes.rows[local]));
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
            for (std::size_t step = 0; blocks != 0 && step < blocks + 2; ++step) {
                if (step < blocks) {
                    const std::size_t at = step * kBlock, next = at + kBlock;
                    if (next < frontier) prefetch_colptr(type, first + next, std::min(kBlock, frontier - next));
                    draw<Row>(e, type_key, first + at, std::min(kBlock, frontier - at), stages_[step % 3]);
                }
                if (step >= 1 && step <= blocks) look<Row>(e, stages_[(step - 1) % 3]);
                if (step >= 2) insert<Row>(e, stages_[(step - 2) % 3]);
            }
        }
        edges.counts.push_back(static_cast<std::int64_t>(edges.pos.size() - edges_before));
    }

    void prefetch_colptr(const SampledEdgeType& type, std::size_t first, std::size_t count) const {
        const std::int64_t* rows = out_.nodes[type.dst].rows.data() + first;
        for (std::size_t i = 0; i < count; ++i) {
            __builtin_prefetch(type.colptr + rows[i]);
            __builtin_prefetch(type.colptr + rows[i] + 1);
        }
    }

    // Chooses the positions of one block of frontier nodes and asks for the rows there.
    template <class Row>
    void draw(std::size_t e, std::uint64_t type_key, std::size_t first, std::size_t count, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        SampledEdges& edges = out_.edges[e];
        const std::int64_t* rows = out_.nodes[type.dst].rows.data() + first;
        const auto* neighbours = static_cast<const Row*>(type.row);
        std::int64_t start[kBlock], degree[kBlock], take[kBlock], total = 0;
        for (std::size_t i = 0; i < count; ++i) {
            start[i] = type.colptr[rows[i]];
            degree[i] = type.colptr[rows[i] + 1] - start[i];
            take[i] = plan_.budget.empty() ? wanted(type.fan_out[hop_], degree[i], plan_.replace)
                                           : dealt_[e][first + i - begin_[type.dst]];
            total += take[i];
        }
        const std::size_t done = edges.pos.size();
        if (done + static_cast<std::size_t>(total) > kMostNodes)
            throw std::length_error("seeds: the batch reaches 2^31 edges of one type");
        edges.pos.reserve(done + static_cast<std::size_t>(total));
        edges.row.reserve(done + static_cast<std::size_t>(total));
        std::int64_t* pos = edges.pos.data() + done;
        std::int64_t* colptr = edges.colptr.data() + edges.colptr.size();
        auto end = static_cast<std::int64_t>(done);
        for (std::size_t i = 0; i < count; ++i) {
            const std::int64_t from = start[i];
            const bool all = take[i] == degree[i] && (!plan_.replace || type.fan_out[hop_] < 0);
            if (all) {
                for (std::int64_t j = 0; j < degree[i]; ++j) pos[j] = from + j;
                for (std::int64_t j = 0; j < std::min<std::int64_t>(degree[i], 64); j += 64 / static_cast<std::int64_t>(sizeof(Row)))
                    __builtin_prefetch(neighbours + from + j);
                if (degree[i] > 0) __builtin_prefetch(neighbours + from + std::min<std::int64_t>(degree[i], 64) - 1);
            } else {
                std::int64_t* at = pos;
                const auto emit = [&](std::uint64_t offset) {
                    const std::int64_t chosen = from + static_cast<std::int64_t>(offset);
                    *at++ = chosen;
                    __builtin_prefetch(neighbours + chosen);
                };
                const std::uint64_t key = node_key(type_key, type.dst, first + i);
                if (plan_.replace)
                    Picker::repeated(key, static_cast<std::uint64_t>(degree[i]), static_cast<std::uint64_t>(take[i]), emit);
                else
                    picker_.distinct(key, static_cast<std::uint64_t>(degree[i]), static_cast<std::uint64_t>(take[i]), emit);
            }
            pos += take[i];
            end += take[i];
            *colptr++ = end;
            stage.take[i] = static_cast<std::uint32_t>(take[i]);
        }
        edges.colptr.set_size(edges.colptr.size() + count);
        edges.pos.set_size(done + static_cast<std::size_t>(total));
        stage.first_edge = done;
        stage.edges = static_cast<std::size_t>(total);
        stage.first_node = first;
        stage.nodes = count;
    }

    // Reads the rows of a drawn block and asks for their places in the node table.
    template <class Row>
    void look(std::size_t e, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        const auto* neighbours = static_cast<const Row*>(type.row);
        const std::int64_t* pos = out_.edges[e].pos.data() + stage.first_edge;
        const NodeTable<Key>& table = tables_[type.src];
        if (stage.keys.size() < stage.edges) stage.keys.resize(stage.edges + stage.edges / 2);
        Key* keys = stage.keys.data();
        if constexpr (Disjoint) {
            const std::int32_t* groups = out_.nodes[type.dst].group.data() + stage.first_node;
            for (std::size_t i = 0; i < stage.nodes; ++i)
                for (std::uint32_t j = 0; j < stage.take[i]; ++j, ++pos, ++keys) {
                    *keys = table_key(type.src, static_cast<std::uint64_t>(neighbours[*pos]), static_cast<std::uint64_t>(groups[i]));
                    table.prefetch(*keys);
                }
        } else {
            for (std::size_t i = 0; i < stage.edges; ++i) {
                keys[i] = static_cast<Key>(neighbours[pos[i]]);
                table.prefetch(keys[i]);
            }
        }
    }

    // Numbers the block's neighbours in the order they were picked.
    template <class Row>
    void insert(std::size_t e, Stage& stage) {
        const SampledEdgeType& type = plan_.edge_types[e];
        make_room(type.src, stage.edges);
        SampledNodes& nodes = out_.nodes[type.src];
        NodeTable<Key>& table = tables_[type.src];
        std::int32_t* local = out_.edges[e].row.data() + stage.first_edge;
        auto next = static_cast<std::uint32_t>(nodes.rows.size());
        if constexpr (Disjoint) {
            const auto* neighbours = static_cast<const Row*>(type.row);
            const std::int64_t* pos = out_.edges[e].pos.data() + stage.first_edge;
            const Key* keys = stage.keys.data();
            for (std::size_t i = 0; i < stage.nodes; ++i) {
                const std::int32_t group = out_.nodes[type.dst].group[stage.first_node + i];
                for (std::uint32_t j = 0; j < stage.take[i]; ++j) {
                    nodes.rows[next] = static_cast<std::int64_t>(neighbours[*pos++]);
                    nodes.group[next] = group;
                    *local++ = static_cast<std::int32_t>(table.insert(*keys++, next));
                }
            }
            nodes.group.set_size(next);
        } else if (table.dense()) {
            insert_joint(stage, local, nodes.rows.data(), next, [&](Key key, std::uint32_t& n) { return table.insert_dense(key, n); });
        } else {
            insert_joint(stage, local, nodes.rows.data(), next, [&](Key key, std::uint32_t& n) { return table.insert_hashed(key, n); });
        }
        nodes.rows.set_size(next);
        out_.edges[e].row.set_size(stage.first_edge + stage.edges);
    }
    template <class Insert>
    static void insert_joint(const Stage& stage, std::int32_t* local, std::int64_t* rows, std::uint32_t& next, Insert&& insert) {
        const Key* keys = stage.keys.data();
        std::uint32_t n = next;
        for (std::size_t i = 0; i < stage.edges; ++i) {
            rows[n] = static_cast<std::int64_t>(keys[i]);
            local[i] = static_cast<std::int32_t>(insert(keys[i], n));
        }
        next = n;
    }

    // What each frontier node may draw over each edge type into it, where the hop has a budget.
    void deal_budgets() {
        const std::int64_t budget = plan_.budget[hop_];
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
        const std::int64_t node = out_.nodes[dst].rows[local];
        takes_.clear();
        std::int64_t total = 0;
        for (const std::size_t e : types) {
            const SampledEdgeType& type = plan_.edge_types[e];
            takes_.push_back(wanted(type.fan_out[hop_], type.colptr[node + 1] - type.colptr[node], plan_.replace));
            total += takes_.back();
        }
        if (budget >= 0 && total > budget)
            dealer_.deal(takes_, budget, node_key(absorb(run_key_, kBudgetHash), dst, local), picker_);
        for (std::size_t t = 0; t < types.size(); ++t) dealt_[types[t]][local - begin_[dst]] = takes_[t];
    }

    const SamplerPlan& plan_;
    std::shared_ptr<BufferPool> pool_;
    std::vector<NodeTable<Key>> tables_;
    std::vector<std::size_t> node_hints_, edge_hints_;
    std::vector<std::size_t> begin_, end_;
    std::vector<std::uint64_t> seed_words_;
    std::vector<std::vector<std::int64_t>> dealt_;
    std::vector<std::int64_t> takes_;
    BudgetDealer dealer_;
    Stage stages_[3];
    Picker picker_;
    SampledSubgraph out_;
    std::uint64_t run_key_ = 0;
    std::size_t hop_ = 0;
};

std::unique_ptr<Workspace> make_workspace(const SamplerPlan& plan, const std::shared_ptr<BufferPool>& pool) {
    if (plan.disjoint) return std::make_unique<Sampling<std::uint64_t, true>>(plan, pool);
    const bool wide = std::any_of(plan.num_nodes.begin(), plan.num_nodes.end(), [](std::int64_t n) { return n >= 0xFFFFFFFFLL; });
    if (wide) return std::make_unique<Sampling<std::uint64_t, false>>(plan, pool);
    return std::make_unique<Sampling<std::uint32_t, false>>(plan, pool);
}

}  // namespace

NeighborSampler::NeighborSampler(SamplerPlan plan) : plan_(std::move(plan)), pool_(std::make_shared<BufferPool>()) {}
NeighborSampler::~NeighborSampler() = default;

std::unique_ptr<Workspace> NeighborSampler::borrow() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Workspace> workspace = std::move(idle_.back());
            idle_.pop_back();
            return workspace;
        }
    }
    return make_workspace(plan_, pool_);
}

SampledSubgraph NeighborSampler::sample(const std::int64_t* seeds, std::size_t num_seeds, std::size_t node_type, std::uint64_t epoch) {
    // A call that throws loses its workspace: half a batch may be left in the tables.
    std::unique_ptr<Workspace> workspace = borrow();
    SampledSubgraph result = workspace->sample(seeds, num_seeds, node_type, epoch);
    const std::lock_guard<std::mutex> lock(mutex_);
    idle_.push_back(std::move(workspace));
    return result;
}

}  // namespace gnnctl
