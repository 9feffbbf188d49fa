#include "select.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "worker_pool.h"

namespace gnnctl {
namespace {

#define GNNCTL_VECTOR_BYTES 16
namespace here {
#include "kernels_vector.h"
}

constexpr std::int64_t kLine = 16;  // features of a part are whole cache lines of float32

// Calls visit(f, edge, gradient) for the features [first, last) of destination d.
template <typename S, typename Visit>
void chosen(const GradientArgs& a, std::int64_t d, std::int64_t first, std::int64_t last, const Visit& visit) {
    const std::int64_t begin = a.edges.colptr[d];
    if (begin == a.edges.colptr[d + 1]) return;
    const auto each = [&](Reduce reduce, const std::int32_t* arg) {
        if (arg == nullptr) return;
        const S* grad = static_cast<const S*>(a.grad[reduce]) + d * a.stride;
        for (std::int64_t f = first; f < last; ++f) visit(f, begin + arg[d * a.width + f], here::load<S, 0>(grad + f));
    };
    each(kMin, a.argmin);
    each(kMax, a.argmax);
}

// Where the gradients of one destination go, in the order of chosen(): asked for while those of the one before are added.
template <typename T>
struct Targets {
    std::vector<T*> at;

    void find(const GradientArgs& a, std::int64_t d, std::int64_t first, std::int64_t last, T* out) {
        const std::int64_t begin = a.edges.colptr[d];
        if (begin == a.edges.colptr[d + 1]) return;
        std::size_t count = 0;
        for (const std::int32_t* arg : {a.argmin, a.argmax}) {
            if (arg == nullptr) continue;
            for (std::int64_t f = first; f < last; ++f) {
                at[count] = out + here::source_of(a.edges, begin + arg[d * a.width + f]) * a.width + f;
                __builtin_prefetch(at[count++], 1);
            }
        }
    }
};

// One thread owns a feature, so that every sum has one order.
template <typename S>
void to_sources(const GradientArgs& a, const Factors& factors, void* to, int threads) {
    using T = here::Compute<S>;
    const std::int64_t lines = (a.width + kLine - 1) / kLine, width = a.width / factors.heads;
    const std::int64_t parts = std::min<std::int64_t>(std::max(threads, 1), lines);
    T* out = static_cast<T*>(to);
    const T* weight = static_cast<const T*>(factors.weight);
    const auto two_rows = static_cast<std::size_t>(2 * ((lines + parts - 1) / parts) * kLine);
    std::vector<Targets<T>> targets(static_cast<std::size_t>(2 * parts), Targets<T>{std::vector<T*>(two_rows)});
    run_parts(threads, parts, [&](std::int64_t part) {
        const std::int64_t first = lines * part / parts * kLine, last = std::min(a.width, lines * (part + 1) / parts * kLine);
        Targets<T>* now = &targets[static_cast<std::size_t>(2 * part)];
        Targets<T>* next = now + 1;
        if (a.edges.num_dst > 0) next->find(a, 0, first, last, out);
        for (std::int64_t d = 0; d < a.edges.num_dst; ++d) {
            std::swap(now, next);
            if (d + 1 < a.edges.num_dst) next->find(a, d + 1, first, last, out);
            std::size_t i = 0;
            if (weight == nullptr)
                chosen<S>(a, d, first, last, [&](std::int64_t, std::int64_t, T grad) { *now->at[i++] += grad; });
            else
                chosen<S>(a, d, first, last, [&](std::int64_t f, std::int64_t e, T grad) {
                    *now->at[i++] += grad * weight[e * factors.heads + f / width];
                });
        }
    });
}

template <typename S>
void to_edges(const GradientArgs& a, std::int64_t heads, int threads) {
    using T = here::Compute<S>;
    const std::int64_t width = a.width / heads;
    const S* x = static_cast<const S*>(a.x);
    T* out = static_cast<T*>(a.out);
    run_destinations(threads, a.edges.colptr, a.edges.num_dst, a.width, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t d = first; d < last; ++d)
            chosen<S>(a, d, 0, a.width, [&](std::int64_t f, std::int64_t e, T grad) {
                out[e * heads + f / width] += grad * here::load<S, 0>(x + here::source_of(a.edges, e) * a.width + f);
            });
    });
}

template <typename Call>
void by_dtype(DType dtype, const Call& call) {
    switch (dtype) {
        case DType::float64: return call(double{});
        case DType::bfloat16: return call(Bf16{});
        case DType::float16: return call(F16{});
        default: return call(float{});
    }
}

}  // namespace

void select_sources(const GradientArgs& args, const Factors& factors, void* out, int threads) {
    by_dtype(args.dtype, [&](auto tag) { to_sources<decltype(tag)>(args, factors, out, threads); });
}

void select_edges(const GradientArgs& args, std::int64_t heads, int threads) {
    by_dtype(args.dtype, [&](auto tag) { to_edges<decltype(tag)>(args, heads, threads); });
}

}  // namespace gnnctl
