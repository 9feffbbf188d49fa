// Shares the rows of all groups out between threads; the kernels do the rest.
#include "matmul.h"

#include <algorithm>
#include <memory>
#include <new>
#include <string_view>

#include "worker_pool.h"

namespace gnnctl {
namespace {

constexpr std::int64_t kSerialWork = 1 << 18;  // multiplications below which a second thread costs more than it saves
constexpr std::int64_t kPartsPerThread = 8;
constexpr std::int64_t kRowsPerGroup = 8;      // rows whose products take as long as fetching the group's b
constexpr std::int64_t kRowsPerTile = 12;
constexpr std::int64_t kFewRows = 200;         // products in which fetching b takes a notable share of the time
constexpr std::int64_t kLine = 64;

const MatmulTable& table_of(DType dtype) {
    const bool wide = dtype == DType::float64;
#ifdef GNNCTL_X86
    const std::string_view name = kernels_name();
    if (name == "avx512") return wide ? avx512::matmul_f64 : avx512::matmul_f32;
    if (name == "avx2") return wide ? avx2::matmul_f64 : avx2::matmul_f32;
#endif
    return wide ? portable::matmul_f64 : portable::matmul_f32;
}

// Memory that starts at a cache line, left as the system gives it.
class Scratch {
public:
    explicit Scratch(std::int64_t bytes)
        : data_(static_cast<char*>(::operator new(static_cast<std::size_t>(bytes), std::align_val_t{kLine}))) {}
    ~Scratch() { ::operator delete(data_, std::align_val_t{kLine}); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    char* at(std::int64_t offset) const { return data_ + offset; }

private:
    char* data_;
};

std::int64_t lines(std::int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

std::int64_t scratch_of(const MatmulTable& table, const std::vector<MatmulGroup>& groups) {
    std::int64_t most = 0;
    for (const MatmulGroup& g : groups) most = std::max(most, lines(table.scratch(g.k, g.m)));
    return most;
}

// Items of given costs, cut into runs of about equal cost; an item may be cut inside.
class Shares {
public:
    explicit Shares(std::size_t items) : end_(1, 0) { end_.reserve(items + 1); }
    void add(std::int64_t cost) { end_.push_back(end_.back() + cost); }
    std::int64_t total() const { return end_.back(); }

    std::int64_t parts(int threads) const {
        return threads <= 1 || total() < kSerialWork ? 1 : threads * kPartsPerThread;
    }
    struct Place {
        std::int64_t item;
        std::int64_t cost;  // into it
    };
    Place start(std::int64_t part, std::int64_t parts) const {
        if (part == parts) return {static_cast<std::int64_t>(end_.size()) - 1, 0};
        const auto target = static_cast<std::int64_t>(static_cast<double>(total()) * static_cast<double>(part) / static_cast<double>(parts));
        const std::int64_t item = std::upper_bound(end_.begin() + 1, end_.end() - 1, target) - end_.begin() - 1;
        return {item, target - end_[item]};
    }

private:
    std::vector<std::int64_t> end_;
};

std::int64_t cost_of_row(const MatmulGroup& g) { return g.k * g.m + g.k + g.m; }

}  // namespace

void matmul_product(DType dtype, const std::vector<MatmulGroup>& groups, int threads) {
    if (groups.empty()) return;
    const MatmulTable& table = table_of(dtype);
    Shares shares(groups.size());
    for (const MatmulGroup& g : groups) shares.add(g.rows == 0 ? 0 : (g.rows + kRowsPerGroup) * cost_of_row(g));
    const std::int64_t parts = shares.parts(threads), bytes = scratch_of(table, groups);
    const Scratch scratch(parts * bytes);
    struct Place {
        std::int64_t group, row;
    };
    const auto start = [&](std::int64_t part) -> Place {
        const auto [item, cost] = shares.start(part, parts);
        if (item == static_cast<std::int64_t>(groups.size()) || cost == 0) return {item, 0};
        const MatmulGroup& g = groups[static_cast<std::size_t>(item)];
        return {item, std::min(cost / cost_of_row(g) / kRowsPerTile * kRowsPerTile, g.rows)};
    };
    run_parts(threads, parts, [&](std::int64_t part) {
        const Place from = start(part), to = start(part + 1);
        for (std::int64_t i = from.group; i <= to.group && i < static_cast<std::int64_t>(groups.size()); ++i) {
            const MatmulGroup& g = groups[static_cast<std::size_t>(i)];
            MatmulPart rows;
            rows.first = i == from.group ? from.row : 0;
            rows.last = i == to.group ? to.row : g.rows;
            rows.scratch = scratch.at(part * bytes);
            if (g.rows < kFewRows && i < to.group && i + 1 < static_cast<std::int64_t>(groups.size()))
                rows.next_b = groups[static_cast<std::size_t>(i + 1)].b;
            if (rows.first < rows.last && g.m > 0) table.product(g, rows);
        }
    });
}

namespace {

// A group's rows are added up in chunks of a size that depends on the shapes alone, and those in order.
constexpr std::int64_t kLeastChunk = 1024;
constexpr std::int64_t kMostChunks = 32;
constexpr std::int64_t kPartialBytes = 1 << 26;
constexpr std::int64_t kStrip = 96;  // rows of the result in one task

std::int64_t chunks_of(const MatmulGroup& g) {
    const std::int64_t fitting = kPartialBytes / std::max<std::int64_t>(g.k * g.m * 8, 1);
    return std::clamp<std::int64_t>(g.rows / kLeastChunk, 1, std::clamp<std::int64_t>(fitting, 1, kMostChunks));
}

struct OuterTask {
    std::int64_t group;
    MatmulPart part;
    char* c;
};

template <typename T>
void add_up(T* total, const char* partials, std::int64_t count, std::int64_t size) {
    for (std::int64_t chunk = 1; chunk < count; ++chunk) {
        const T* other = reinterpret_cast<const T*>(partials) + (chunk - 1) * size;
        for (std::int64_t i = 0; i < size; ++i) total[i] += other[i];
    }
}

}  // namespace

void matmul_outer(DType dtype, const std::vector<MatmulGroup>& groups, int threads) {
    const MatmulTable& table = table_of(dtype);
    const std::int64_t element = size_of(dtype);
    std::vector<std::int64_t> partial;  // where the partial sums of each group start
    std::int64_t partial_bytes = 0;
    for (const MatmulGroup& g : groups) {
        partial.push_back(partial_bytes);
        partial_bytes += (chunks_of(g) - 1) * g.k * g.m * element;
    }
    const Scratch sums(partial_bytes);
    std::vector<OuterTask> tasks;
    Shares shares(groups.size());
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const MatmulGroup& g = groups[i];
        if (g.k * g.m == 0) continue;
        const std::int64_t chunks = chunks_of(g);
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
            for (std::int64_t first = 0; first < g.k; first += kStrip) {
                OuterTask task;
                task.group = static_cast<std::int64_t>(i);
                task.part.first = first;
                task.part.last = std::min(first + kStrip, g.k);
                task.part.begin = g.rows * chunk / chunks;
                task.part.end = g.rows * (chunk + 1) / chunks;
                task.c = chunk == 0 ? static_cast<char*>(g.c) : sums.at(partial[i] + (chunk - 1) * g.k * g.m * element);
                shares.add((task.part.last - first) * g.m * (task.part.end - task.part.begin + kRowsPerGroup));
                tasks.push_back(task);
            }
    }
    if (tasks.empty()) return;
    const std::int64_t parts = shares.parts(threads), bytes = scratch_of(table, groups);
    const Scratch scratch(parts * bytes);
    run_parts(threads, parts, [&](std::int64_t part) {
        const auto boundary = [&](std::int64_t p) {  // a task that is cut goes to the part in which it starts
            const auto [item, cost] = shares.start(p, parts);
            return cost == 0 ? item : item + 1;
        };
        for (std::int64_t i = boundary(part); i < boundary(part + 1); ++i) {
            OuterTask& task = tasks[static_cast<std::size_t>(i)];
            MatmulGroup g = groups[static_cast<std::size_t>(task.group)];
            g.c = task.c;
            task.part.scratch = scratch.at(part * bytes);
            table.outer(g, task.part);
        }
    });
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const MatmulGroup& g = groups[i];
        if (dtype == DType::float64) add_up(static_cast<double*>(g.c), sums.at(partial[i]), chunks_of(g), g.k * g.m);
        else add_up(static_cast<float*>(g.c), sums.at(partial[i]), chunks_of(g), g.k * g.m);
    }
}

}  // namespace gnnctl
