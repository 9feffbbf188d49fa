// Log of the sum of exponentials of segments, and its gradient.
//
// Cost for E rows in D segments of width F, elements of s bytes. Forward: E F s read, D F s written, about 6 E F
// operations, two exponentials among them at worst. Backward: 2 D F s and E F s read, E F s written.
#include "segment.cuh"

namespace gnnctl::cuda {
namespace {

template <typename S, int N>
void run_forward(const Csc& segments, const void* x, Index width, void* out, const Place& place) {
    run_walk("logsumexp", LogSumExp<S, N>{static_cast<const S*>(x), width, static_cast<S*>(out)}, segments, width / N, place);
}

template <typename S, int N>
void run_backward(const Csc& segments, const void* x, const void* result, const void* grad, Index width, void* out, const Place& place) {
    const LogSumExpGradient<S, N> reducer{static_cast<const S*>(x), static_cast<const S*>(result), static_cast<const S*>(grad), width, static_cast<S*>(out)};
    run_walk("logsumexp_backward", reducer, segments, width / N, place);
}

}  // namespace

void logsumexp(const Csc& segments, Scalar dtype, const void* x, Index width, void* out, const Place& place) {
    with_scalar(dtype, [&]<typename S>() {
        if (fits<S>(width, 1, x, out)) run_forward<S, kFull<S>>(segments, x, width, out, place);
        else run_forward<S, 1>(segments, x, width, out, place);
    });
}

void logsumexp_backward(const Csc& segments, Scalar dtype, const void* x, const void* result, const void* grad, Index width, void* out, const Place& place) {
    with_scalar(dtype, [&]<typename S>() {
        if (fits<S>(width, 1, x, result, grad, out)) run_backward<S, kFull<S>>(segments, x, result, grad, width, out, place);
        else run_backward<S, 1>(segments, x, result, grad, width, out, place);
    });
}

}  // namespace gnnctl::cuda
