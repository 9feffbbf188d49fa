// Rows by index, of any dtype: out[i] = x[index[i]], copied in the widest words that rows and addresses allow.
//
// Cost for E rows of b bytes: E (2 b + 4), the index once for a row.
#include "layout.cuh"

namespace gnnctl::cuda {
namespace {

template <typename Word>
__global__ void __launch_bounds__(kRowThreads) gather_rows(Layout layout, const Word* x, const void* index, bool wide, Word* out) {
    Index i, s;
    if (!layout.find(i, s)) return;
    put(out + i * layout.slots + s, __ldg(x + index_at(index, wide, i) * layout.slots + s));
}

template <typename Word>
bool run(const void* x, const void* index, bool wide, Index count, Index bytes, void* out, const Place& place) {
    if (bytes % static_cast<Index>(sizeof(Word)) != 0 || !aligned(x, sizeof(Word)) || !aligned(out, sizeof(Word))) return false;
    const Layout layout(count, bytes / static_cast<Index>(sizeof(Word)));
    launch("gather", gather_rows<Word>, layout.blocks(), layout.threads(), place, layout, static_cast<const Word*>(x), index, wide, static_cast<Word*>(out));
    return true;
}

}  // namespace

void gather(const void* x, const void* index, bool wide, Index count, Index bytes, void* out, const Place& place) {
    run<uint4>(x, index, wide, count, bytes, out, place) || run<uint2>(x, index, wide, count, bytes, out, place) ||
        run<unsigned int>(x, index, wide, count, bytes, out, place) || run<unsigned short>(x, index, wide, count, bytes, out, place) ||
        run<unsigned char>(x, index, wide, count, bytes, out, place);
}

}  // namespace gnnctl::cuda
