// Approximate personalised PageRank by pushing (Andersen, Chung and Lang, FOCS 2006, section 3, without its laziness):
// of the probability r(u) that waits at u, the share alpha stays there and the rest goes to the nodes in u's list,
// until no node has r(u) >= eps * max(degree(u), 1). A node without a list sends the rest back to the source. The source
// is pushed first whatever its degree, and what waits at a node counts with the share that would stay there: with s(u)
// settled at u, s(u) + alpha r(u) is still at most the exact value, and closer to it.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "node_lists.h"
#include "node_table.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

// Asks Python now and then whether to go on: its answer, an exception, ends the work of all threads.
class Poll {
public:
    explicit Poll(py::object ask) : ask_(std::move(ask)) {}

    // Called without the GIL, with the edges looked at since the last call.
    void after(std::size_t edges, std::size_t& pending) {
        pending += edges;
        if (pending < kPatience) return;
        pending = 0;
        if (ended_.load(std::memory_order_relaxed)) throw Ended();
        const py::gil_scoped_acquire locked;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!ask_.is_none()) ask_();
        } catch (...) {
            failure_ = std::current_exception();
            ended_ = true;
            throw Ended();
        }
    }
    struct Ended {};
    [[noreturn]] void raise() const { std::rethrow_exception(failure_); }

private:
    static constexpr std::size_t kPatience = std::size_t{1} << 20;
    py::object ask_;
    std::exception_ptr failure_;  // written with the GIL
    std::atomic<bool> ended_{false};
};

struct PushPlan {
    std::vector<std::int64_t> sources;
    std::size_t type = 0, top = 0;
    double alpha = 0, eps = 0;
    bool weighted = false, with_source = false;
};

// Nodes are pushed in rounds, in the order in which they came to wait: the sums are the same whatever the threads.
class Push {
public:
    Push(const TypedCsc& graph, const PushPlan& plan, Poll& poll)
        : type_(graph.types[plan.type]), prefix_(plan.weighted ? graph.prefix(plan.type).data() : nullptr), plan_(plan), poll_(poll),
          table_(std::make_shared<BufferPool>(), static_cast<std::uint64_t>(graph.num_nodes[type_.dst])) {}

    void operator()(std::size_t i, std::vector<ScoredNode>& best) {
        nodes_.clear();
        source_ = local(plan_.sources[i]);
        nodes_[source_].left = 1.0;
        nodes_[source_].waits = true;
        waiting_.push_back(source_);
        while (!waiting_.empty()) {
            round_.swap(waiting_);
            waiting_.clear();
            for (const std::uint32_t u : round_) {
                nodes_[u].waits = false;
                push(u);
            }
        }
        for (const Node& node : nodes_)
            if (plan_.with_source || node.row != plan_.sources[i]) best.push_back({node.row, node.settled + plan_.alpha * node.left});
        keep_best(best, plan_.top);
        table_.clear(nodes_.size(), [&](std::size_t n) { return static_cast<std::uint64_t>(nodes_[n].row); });
    }

private:
    struct Node {
        std::int64_t row;
        double settled, left;
        bool waits;
    };

    std::uint32_t local(std::int64_t row) {
        const std::size_t present = nodes_.size();
        if (!table_.fits(present + 1)) table_.grow(2 * present + 2, present, [&](std::size_t n) { return static_cast<std::uint64_t>(nodes_[n].row); });
        auto next = static_cast<std::uint32_t>(present);
        const std::uint32_t at = table_.insert(static_cast<std::uint64_t>(row), next);
        if (at == present) nodes_.push_back({row, 0, 0, false});
        return at;
    }

    std::int64_t degree(std::int64_t row) const { return type_.colptr[row + 1] - type_.colptr[row]; }

    void add(std::uint32_t u, double amount) {
        Node& node = nodes_[u];
        node.left += amount;
        if (node.waits || node.left < plan_.eps * static_cast<double>(std::max<std::int64_t>(degree(node.row), 1))) return;
        node.waits = true;
        waiting_.push_back(u);
    }

    void push(std::uint32_t u) {
        const std::int64_t row = nodes_[u].row, first = type_.colptr[row], last = type_.colptr[row + 1];
        const double all = std::exchange(nodes_[u].left, 0.0), moved = (1 - plan_.alpha) * all;
        nodes_[u].settled += plan_.alpha * all;
        poll_.after(static_cast<std::size_t>(last - first) + 1, pending_);
        if (first == last || (prefix_ != nullptr && prefix_[last - 1] <= 0)) {
            add(source_, moved);
        } else if (prefix_ == nullptr) {
            const double each = moved / static_cast<double>(last - first);
            for (std::int64_t e = first; e < last; ++e) add(local(type_.at(e)), each);
        } else {
            const double unit = moved / prefix_[last - 1];
            for (std::int64_t e = first; e < last; ++e)
                if (type_.weight[e] > 0) add(local(type_.at(e)), unit * static_cast<double>(type_.weight[e]));
        }
    }

    const CscType& type_;
    const double* prefix_;
    const PushPlan& plan_;
    Poll& poll_;
    std::size_t pending_ = 0;
    NodeTable<std::uint64_t> table_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> waiting_, round_;
    std::uint32_t source_ = 0;
};

py::tuple personalized_pagerank(const PyTypedCsc& held, const py::object& sources, std::size_t edge_type, const std::pair<double, double>& accuracy,
                                long long top, bool with_source, bool weighted, long long num_threads, py::object poll) {
    const TypedCsc& graph = held.graph;
    const std::size_t threads = checked_threads(num_threads);
    PushPlan plan;
    plan.type = checked_type(graph, edge_type, "edge_type", true);
    checked_weights(graph, edge_type, weighted);
    std::tie(plan.alpha, plan.eps) = accuracy;
    // The work is bounded by 1 / (alpha eps): a vanishing alpha would never end.
    if (!(plan.alpha >= 1e-3 && plan.alpha < 1)) throw py::value_error("alpha: expected 0.001 to less than 1, got " + std::to_string(plan.alpha));
    if (!(plan.eps >= 1e-12 && plan.eps < 1)) throw py::value_error("eps: expected 1e-12 to less than 1, got " + std::to_string(plan.eps));
    if (top < 0) throw py::value_error("top: expected 0 or more, got " + std::to_string(top));
    if (graph.num_nodes[graph.types[edge_type].dst] >= 0xFFFFFFFFLL) throw py::value_error("edge_type: it has 2^32 nodes or more");
    plan.sources = copied_rows(sources, graph.num_nodes[graph.types[edge_type].dst], "sources");
    plan.top = static_cast<std::size_t>(top);
    plan.with_source = with_source;
    plan.weighted = weighted;
    if (!poll.is_none() && !PyCallable_Check(poll.ptr())) throw py::type_error("poll: expected a function or None");
    Poll polled(std::move(poll));
    NodeLists lists;
    try {
        // Safe without the GIL: the graph is constant and held by the caller, the plan is this call's own.
        const py::gil_scoped_release unlocked;
        lists = node_lists(plan.sources.size(), threads, [&] { return Push(graph, plan, polled); });
    } catch (const Poll::Ended&) {
        polled.raise();
    }
    return std::move(lists).to_python();
}

}  // namespace

void bind_push(py::module_& m) {
    using py::arg;
    m.def("personalized_pagerank", &personalized_pagerank, arg("graph"), arg("sources"), arg("edge_type"), arg("accuracy"),
          arg("top"), arg("with_source") = true, arg("weighted") = false, arg("num_threads") = 1, arg("poll") = py::none(),
          "(ptr, rows, scores): of each source the nodes of greatest score, best first; accuracy is (alpha, eps). poll() is "
          "called now and then; what it raises ends the call.");
}

}  // namespace gnnctl
