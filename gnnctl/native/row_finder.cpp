// Where numbers stand among ascending ones. Where one of 64 numbers is there, a bit says whether it is, and how many are
// before it is counted: that fits the caches where the numbers do not. Else by their first bits, then by halves, several at
// a time.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "checks.h"

namespace py = pybind11;

namespace gnnctl {
namespace {

constexpr std::size_t kTogether = 16;  // searches whose reads overlap

class RowFinder {
public:
    explicit RowFinder(const py::object& known) : owner_(known) {
        known_ = checked_vector<std::int64_t>(known, "known", count_);
        if (count_ >= 0xFFFFFFFFULL) throw py::value_error("known: too many rows");
        bool bad = count_ != 0 && known_[0] < 0;
        for (std::size_t i = 1; i < count_; ++i) bad |= known_[i] <= known_[i - 1];
        if (bad) throw py::value_error("known: expected ascending rows, each once, 0 or more");
        const auto last = static_cast<std::uint64_t>(count_ == 0 ? 0 : known_[count_ - 1]);
        if (last / 64 < count_) {
            words_.assign(static_cast<std::size_t>(last / 64) + 1, {});
            for (std::size_t i = 0; i < count_; ++i) words_[static_cast<std::size_t>(known_[i]) / 64].bits |= bit(known_[i]);
            for (std::size_t w = 1; w < words_.size(); ++w)
                words_[w].before = words_[w - 1].before + static_cast<std::uint32_t>(__builtin_popcountll(words_[w - 1].bits));
            return;
        }
        while ((last >> shift_) > count_) ++shift_;
        starts_.assign(static_cast<std::size_t>(last >> shift_) + 2, 0);
        for (std::size_t i = 0; i < count_; ++i) starts_[bucket(known_[i]) + 1] = static_cast<std::uint32_t>(i + 1);
        for (std::size_t b = 1; b < starts_.size(); ++b) starts_[b] = std::max(starts_[b], starts_[b - 1]);
    }

    py::array_t<std::int64_t> places(const py::object& rows) const {
        std::size_t count = 0;
        const std::int64_t* wanted = checked_vector<std::int64_t>(rows, "rows", count);
        py::array_t<std::int64_t> found(static_cast<py::ssize_t>(count));
        std::int64_t* out = found.mutable_data();
        const py::gil_scoped_release unlocked;
        if (!words_.empty()) {
            for (std::size_t i = 0; i < count; ++i) out[i] = find_bit(wanted[i]);
            return found;
        }
        for (std::size_t first = 0; first < count; first += kTogether) {
            const std::size_t size = std::min(kTogether, count - first);
            std::int64_t row[kTogether];
            std::size_t at[kTogether];
            for (std::size_t i = 0; i < size; ++i) {
                row[i] = wanted[first + i];  // read once: another thread may write to it
                const bool within = row[i] >= 0 && (static_cast<std::uint64_t>(row[i]) >> shift_) + 1 < starts_.size();
                at[i] = within ? bucket(row[i]) : starts_.size() - 1;
                __builtin_prefetch(starts_.data() + at[i]);
            }
            for (std::size_t i = 0; i < size; ++i) __builtin_prefetch(known_ + starts_[at[i]]);
            for (std::size_t i = 0; i < size; ++i) out[first + i] = find(row[i], at[i]);
        }
        return found;
    }

private:
    struct Word {
        std::uint64_t bits = 0;
        std::uint32_t before = 0;  // rows of earlier words
    };
    static std::uint64_t bit(std::int64_t row) { return std::uint64_t{1} << (static_cast<std::uint64_t>(row) % 64); }

    std::int64_t find_bit(std::int64_t row) const {
        const auto word = static_cast<std::uint64_t>(row) / 64;  // of a negative row beyond all words
        if (word >= words_.size()) return -1;
        const Word& w = words_[static_cast<std::size_t>(word)];
        if ((w.bits & bit(row)) == 0) return -1;
        return w.before + __builtin_popcountll(w.bits & (bit(row) - 1));
    }

    std::size_t bucket(std::int64_t row) const { return static_cast<std::size_t>(static_cast<std::uint64_t>(row) >> shift_); }

    std::int64_t find(std::int64_t row, std::size_t at) const {
        if (at + 1 >= starts_.size()) return -1;
        const std::int64_t* end = known_ + starts_[at + 1];
        const std::int64_t* there = std::lower_bound(known_ + starts_[at], end, row);
        return there != end && *there == row ? there - known_ : -1;
    }

    py::object owner_;
    const std::int64_t* known_ = nullptr;
    std::size_t count_ = 0;
    unsigned shift_ = 0;
    std::vector<Word> words_;
    std::vector<std::uint32_t> starts_;  // by first bits, where their rows begin
};

}  // namespace

void bind_row_finder(py::module_& m) {
    py::class_<RowFinder>(m, "RowFinder", "Where rows stand among ascending ones.")
        .def(py::init<const py::object&>(), py::arg("known"))
        .def("places", &RowFinder::places, py::arg("rows"), "(m,) int64 places of rows (m,); -1 for one that is not there.");
}

}  // namespace gnnctl
