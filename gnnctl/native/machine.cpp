// The machine's own limits, measured the way the benchmarks quote them: random reads of numbers and of rows, and a
// streaming copy, one thread.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace py = pybind11;

namespace gnnctl {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

// Written to, so that the compiler cannot drop the reads whose sum nobody looks at.
volatile std::int64_t sink;

long long checked(const char* name, long long value, long long least, long long most) {
    if (value < least || value > most)
        throw py::value_error(std::string(name) + ": expected " + std::to_string(least) + " to " + std::to_string(most) +
                              ", got " + std::to_string(value));
    return value;
}

// Memory in pages of one size, where the system lets us choose: random reads are bound by the pages' addresses as much as
// by the memory, so a rate without its pages means little.
class Paged {
public:
    Paged(std::size_t count, bool large) : data_(static_cast<std::int64_t*>(std::aligned_alloc(kLarge, (count * 8 + kLarge - 1) / kLarge * kLarge))) {
        if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        madvise(data_.get(), (count * 8 + kLarge - 1) / kLarge * kLarge, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
        (void)large;
#endif
    }
    std::int64_t& operator[](std::size_t i) { return data_.get()[i]; }

private:
    static constexpr std::size_t kLarge = std::size_t{2} << 20;
    struct Free {
        void operator()(std::int64_t* data) const { std::free(data); }
    };
    std::unique_ptr<std::int64_t, Free> data_;
};

std::vector<double> random_gather_rate(long long entries, long long reads, long long repeats, bool large_pages) {
    checked("entries", entries, 1, (1ll << 32) - 1);
    checked("reads", reads, 1, 1ll << 32);
    checked("repeats", repeats, 1, 1000);
    const py::gil_scoped_release release;  // plain vectors of our own from here on
    const auto size = static_cast<std::size_t>(entries);
    Paged table(size, large_pages);
    std::vector<std::uint32_t> position(static_cast<std::size_t>(reads));
    for (std::size_t i = 0; i < size; ++i) table[i] = static_cast<std::int64_t>(mixed(i));
    for (std::size_t i = 0; i < position.size(); ++i)
        position[i] = static_cast<std::uint32_t>((mixed(i + size) >> 32) * static_cast<std::uint64_t>(entries) >> 32);
    std::vector<double> rates;
    for (long long repeat = -1; repeat < repeats; ++repeat) {  // the first is the warm-up
        const auto start = Clock::now();
        std::int64_t sum = 0;
        for (const std::uint32_t p : position) sum ^= table[p];
        sink = sum;
        if (repeat >= 0) rates.push_back(static_cast<double>(reads) / seconds_since(start));
    }
    return rates;
}

std::vector<double> random_row_rate(long long rows, long long row_bytes, long long reads, long long repeats) {
    checked("rows", rows, 1, (1ll << 32) - 1);
    checked("row_bytes", row_bytes, 1, 1ll << 20);
    checked("reads", reads, 1, 1ll << 32);
    checked("repeats", repeats, 1, 1000);
    const py::gil_scoped_release release;
    const auto width = static_cast<std::size_t>(row_bytes);
    std::vector<std::uint64_t> table(static_cast<std::size_t>(rows) * width / 8 + 1), taken(static_cast<std::size_t>(reads) * width / 8 + 1, 1);
    std::vector<std::uint32_t> position(static_cast<std::size_t>(reads));
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = mixed(i);
    for (std::size_t i = 0; i < position.size(); ++i)
        position[i] = static_cast<std::uint32_t>((mixed(i) >> 32) * static_cast<std::uint64_t>(rows) >> 32);
    const auto* from = reinterpret_cast<const char*>(table.data());
    auto* to = reinterpret_cast<char*>(taken.data());
    std::vector<double> rates;
    for (long long repeat = -1; repeat < repeats; ++repeat) {
        const auto start = Clock::now();
        for (std::size_t i = 0; i < position.size(); ++i) std::memcpy(to + i * width, from + position[i] * width, width);
        sink = static_cast<std::int64_t>(taken[taken.size() / 2]);
        if (repeat >= 0) rates.push_back(static_cast<double>(reads) / seconds_since(start));
    }
    return rates;
}

std::vector<double> stream_bandwidth(long long bytes, long long repeats) {
    checked("bytes", bytes, 1, 1ll << 36);
    checked("repeats", repeats, 1, 1000);
    const py::gil_scoped_release release;
    std::vector<std::uint64_t> from(static_cast<std::size_t>(bytes / 8 + 1)), to(from.size(), 1);
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = mixed(i);
    std::vector<double> rates;
    for (long long repeat = -1; repeat < repeats; ++repeat) {
        const auto start = Clock::now();
        std::memcpy(to.data(), from.data(), static_cast<std::size_t>(bytes));
        sink = static_cast<std::int64_t>(to[to.size() / 2]);
        if (repeat >= 0) rates.push_back(2.0 * static_cast<double>(bytes) / seconds_since(start));
    }
    return rates;
}

}  // namespace

void bind_machine(py::module_& m) {
    m.def("random_gather_rate", &random_gather_rate, py::arg("entries"), py::arg("reads"), py::arg("repeats"),
          py::arg("large_pages") = false,
          "Reads per second of an int64 array of `entries` at `reads` random positions, one thread, by repeat; in pages of "
          "4 KiB, or 2 MiB where the system has them.");
    m.def("random_row_rate", &random_row_rate, py::arg("rows"), py::arg("row_bytes"), py::arg("reads"), py::arg("repeats"),
          "Rows of `row_bytes` copied per second from `reads` random places among `rows`, one thread, by repeat.");
    m.def("stream_bandwidth", &stream_bandwidth, py::arg("bytes"), py::arg("repeats"),
          "Bytes read plus written per second by a copy of `bytes`, one thread, by repeat.");
}

}  // namespace gnnctl
