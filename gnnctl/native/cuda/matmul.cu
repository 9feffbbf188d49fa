// Products of rows by type, of lists of matrices, and the gradient of the matrices.
//
// Cost for N rows, K inner and M outer columns, T types, elements of s bytes. segment_matmul: 2 N K M operations; reads
// N K s once for each 64 columns of the result and a type's K M s once for each 64 of its rows, from the L2 cache but
// for the first; writes N M s. Beyond K = M = 64 the floor is the operations over the units' rate (an H100: some 990
// 10^12 a second in half precision, 495 in TF32, 67 in float32), below it the bytes. segment_outer: the same operations
// and 8 K M bytes more for each chunk of rows, of which there are at most T and 128 more.
#include "matmul.cuh"

namespace gnnctl::cuda {
namespace {

// Calls work.template operator()<Core, S>() for the multiplier that dtype and tf32 ask for.
template <bool ATurned, bool BTurned, typename Work>
void with_core(Scalar dtype, bool tf32, const Work& work) {
    with_scalar(dtype, [&]<typename S>() {
        if constexpr (!std::is_same_v<S, float>) work.template operator()<HalfCore<S, ATurned, BTurned>, S>();
        else if (tf32) work.template operator()<Tf32Core<ATurned, BTurned>, S>();
        else work.template operator()<SimtCore<ATurned, BTurned>, S>();
    });
}

Index column_tiles(Index n) { return ceil_div(n, kTileColumns); }

void multiply(Scalar dtype, bool tf32, bool turned, const Products& products, Index blocks, const Place& place) {
    const auto run = [&]<typename Core, typename S>() { launch("matmul", multiply_rows<Core, S>, blocks, kMatmulThreads, place, products); };
    if (turned) with_core<false, true>(dtype, tf32, run);
    else with_core<false, false>(dtype, tf32, run);
}

Products products_of(const TypedRows& r) {
    Products products{};
    products.ptr = r.ptr;
    products.types = r.types;
    products.rows = r.rows;
    products.listed = 1;
    return products;
}

}  // namespace

void segment_matmul(const TypedRows& r, const void* x, const void* weight, bool turned, const void* bias, Index k, Index n, void* out, const Place& place) {
    if (r.types == 0) return;
    Products products = products_of(r);
    products.list[0] = {x, weight, bias, out, r.rows, n, k, 0};
    multiply(r.dtype, r.tf32, turned, products, (r.rows / kTileRows + r.types) * column_tiles(n), place);
}

void segment_outer(const TypedRows& r, const void* x, const void* grad, Index m, Index n, void* out, const Place& place) {
    if (r.types == 0 || m == 0 || n == 0) return;
    int shift = 9;  // rows of a chunk: enough to pay for a matrix of its own, and few enough chunks to bound their memory
    while (r.rows >> shift > 128) ++shift;
    const Index chunks = (r.rows >> shift) + r.types;
    Products products = products_of(r);
    products.list[0] = {x, grad, nullptr, scratch<float>(place, chunks * m * n), m, n, 0, 0};
    const Index tiles = ceil_div(m, kTileRows) * column_tiles(n);
    with_core<true, false>(r.dtype, r.tf32, [&]<typename Core, typename S>() {
        launch("matmul_outer", multiply_chunks<Core, S>, chunks * tiles, kMatmulThreads, place, products, shift);
        const auto blocks = static_cast<unsigned>(ceil_div(m * n, kMatmulThreads));
        launch("matmul_outer", add_chunks<S>, r.types * blocks, kMatmulThreads, place, products, shift, blocks, static_cast<S*>(out));
    });
}

void grouped_matmul(Scalar dtype, bool tf32, const std::vector<Factor>& factors, bool turned, const Place& place) {
    Products products{};
    Index blocks = 0;
    const auto flush = [&] {
        if (products.listed > 0) multiply(dtype, tf32, turned, products, blocks, place);
        products = Products{};
        blocks = 0;
    };
    for (const Factor& f : factors) {
        if (f.m == 0 || f.n == 0) continue;
        if (products.listed == kTable) flush();
        products.list[products.listed++] = {f.a, f.b, f.bias, f.c, f.m, f.n, f.k, blocks};
        blocks += ceil_div(f.m, kTileRows) * column_tiles(f.n);
    }
    flush();
}

}  // namespace gnnctl::cuda
