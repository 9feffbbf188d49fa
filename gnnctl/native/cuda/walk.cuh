// The walk over destination-sorted edges that all aggregations share, and how it balances load.
//
// Destinations and edges stand in one line: those of destination 0, then its end, those of 1, its end, and so on; the
// place of an edge e of destination d is e + d. The line is cut into chunks of equal length (a destination's end costs
// about what an edge does), so every thread does the same number of steps whatever the degrees are: a hub of 10^7 edges
// is shared by as many chunks as its edges fill, and 10^7 destinations without edges likewise. A chunk finds its first
// destination by binary search in colptr; nothing has to be counted beforehand and the host waits for nothing.
//
// One thread holds one vector of features (a "slot") of one chunk in registers, so neighbouring threads read
// neighbouring 16 bytes of the same row. What a chunk knows of a destination that another chunk began or goes on with
// is stored as it stands (a "part"); join() then combines a destination's parts in their order. Chunks depend on the
// sizes alone, so results are the same in every run, on every device, whatever order the blocks take.
//
// A reducer R has
//   Slot, slot(s): what is constant for a slot            Item, fetch(slot, d, e): what is loaded of an edge
//   State, open(state, slot, d): before a destination     apply(state, slot, item, d, e, rank): one edge; may store
//   combine(state, later)                                 close(state, slot, d, count): after the last edge
//   in_flight: edges whose loads are issued before the first is used
//   joined: false where no state has to cross chunks, and combine and close are missing.
#pragma once

#include "layout.cuh"

namespace gnnctl::cuda {

constexpr int kJoinThreads = 128;
struct Line {
    const std::int64_t* colptr;
    Index num_dst;
    Index num_edges;
    Index length;   // destinations and edges
    Index chunk;    // steps, 1 << shift
    int shift;
    Index chunks;
    Layout layout;  // of chunks and slots
};

inline Line line_of(const Csc& edges, Index slots) {
    const Index length = edges.num_dst + edges.num_edges;
    // Long enough to pay for the search, short enough that a graph of a million edges fills a large GPU.
    const int shift = length < (Index{1} << 25) ? 6 : 8;
    const Index chunk = Index{1} << shift;
    const Index chunks = ceil_div(length, chunk);
    return {edges.colptr, edges.num_dst, edges.num_edges, length, chunk, shift, chunks, Layout(chunks, slots)};
}

// The destination at `place`: the largest d with colptr[d] + d <= place.
__device__ __forceinline__ Index destination_at(const Line& line, Index place) {
    Index low = 0, high = line.num_dst;
    while (low < high) {
        const Index middle = (low + high + 1) / 2;
        if (colptr_at(line.colptr, middle) + middle <= place) low = middle;
        else high = middle - 1;
    }
    return low;
}

// Parts of the destinations at a chunk's two ends, and the destination each chunk starts in.
template <typename State>
struct Parts {
    State* head = nullptr;   // (chunks, slots): of a destination begun before the chunk
    State* tail = nullptr;   // (chunks, slots): of one begun here that goes on
    Index* first = nullptr;  // (chunks)
};

template <typename R>
__device__ __forceinline__ void apply_edges(const R& reducer, typename R::State& state, const typename R::Slot& slot, Index d, Index e, Index stop, Index begin) {
    for (; e + R::in_flight <= stop; e += R::in_flight) {
        typename R::Item items[R::in_flight];
#pragma unroll
        for (int i = 0; i < R::in_flight; ++i) items[i] = reducer.fetch(slot, d, e + i);
#pragma unroll
        for (int i = 0; i < R::in_flight; ++i) reducer.apply(state, slot, items[i], d, e + i, e + i - begin);
    }
    for (; e < stop; ++e) reducer.apply(state, slot, reducer.fetch(slot, d, e), d, e, e - begin);
}

template <typename R>
__global__ void __launch_bounds__(kRowThreads, 4) walk(R reducer, Line line, Parts<typename R::State> parts) {
    Index chunk, s;
    if (!line.layout.find(chunk, s)) return;
    const Index slots = line.layout.slots;
    const Index place = chunk * line.chunk;
    const typename R::Slot slot = reducer.slot(s);
    Index d = destination_at(line, place), e = place - d;
    Index left = line.length - place < line.chunk ? line.length - place : line.chunk;
    Index begin = colptr_at(line.colptr, d);
    bool ours = e == begin;  // whether the destination begins in this chunk
    if (R::joined && s == 0) parts.first[chunk] = d;
    if (e < 0 || e > line.num_edges) return;
    while (left > 0 && d < line.num_dst) {
        // Segments come as they are, and looking at colptr on the host would wait: one that falls, or goes beyond the
        // edges, gives wrong sums but no access outside them.
        Index end = colptr_at(line.colptr, d + 1);
        end = end > line.num_edges ? line.num_edges : end < e ? e : end;
        const Index stop = end - e < left ? end : e + left;
        typename R::State state;
        reducer.open(state, slot, d);
        apply_edges(reducer, state, slot, d, e, stop, begin);
        left -= stop - e;
        e = stop;
        const bool over = left > 0;  // its end stands in this chunk, too
        if constexpr (R::joined) {
            if (ours && over) reducer.close(state, slot, d, end - begin);
            else (ours ? parts.tail : parts.head)[chunk * slots + s] = state;
        }
        left -= over;
        d += over;
        begin = end;
        ours = true;
    }
}

// Combines the parts of the destination that chunk c begins and does not end; one block a chunk, most of which have
// none. The parts of a hub are shared out over the block's threads, then combined in order.
template <typename R>
__global__ void __launch_bounds__(kJoinThreads, 4) join(R reducer, Line line, Parts<typename R::State> parts, int lanes) {
    using State = typename R::State;
    GNNCTL_SHARED(State, shared, kJoinThreads);
    const Index chunk = blockIdx.x, slots = line.layout.slots, boundary = (chunk + 1) * line.chunk, d = parts.first[chunk + 1];
    if (d >= line.num_dst) return;
    const Index begin = colptr_at(line.colptr, d), end = colptr_at(line.colptr, d + 1);
    if (begin + d >= boundary || begin + d < boundary - line.chunk) return;  // not open at the boundary, or not ours
    Index count = ((end + d) >> line.shift) - chunk;  // chunks after this one that hold a part of it
    if (count > line.chunks - 1 - chunk) count = line.chunks - 1 - chunk;
    // `lanes` threads side by side take as many slots, and so do the other `shares` for their share of the parts.
    const int lane = static_cast<int>(threadIdx.x) % lanes, share = static_cast<int>(threadIdx.x) / lanes, shares = kJoinThreads / lanes;
    const Index per_share = (count + shares - 1) >> (__ffs(shares) - 1);
    for (Index s = lane; s - lane < slots; s += lanes) {
        Index c = chunk + 1 + per_share * share;
        const Index stop = c + per_share < chunk + 1 + count ? c + per_share : chunk + 1 + count;
        if (s < slots && c < stop) {
            State state = parts.head[c * slots + s];
            for (++c; c < stop; ++c) reducer.combine(state, parts.head[c * slots + s]);
            shared[threadIdx.x] = state;
        }
        __syncthreads();
        if (s < slots && share == 0) {
            State state = parts.tail[chunk * slots + s];
            for (int other = 0; other * per_share < count; ++other) reducer.combine(state, shared[other * lanes + lane]);
            reducer.close(state, reducer.slot(s), d, end - begin);
        }
        __syncthreads();
    }
}

template <typename R>
void run_walk(const char* name, const R& reducer, const Csc& edges, Index slots, const Place& place) {
    if (slots == 0 || edges.num_dst == 0) return;
    using State = typename R::State;
    const Line line = line_of(edges, slots);
    Parts<State> parts;
    if (R::joined) {
        parts.first = scratch<Index>(place, line.chunks);
        parts.head = scratch<State>(place, line.chunks * slots);
        parts.tail = scratch<State>(place, line.chunks * slots);
    }
    launch(name, walk<R>, line.layout.blocks(), line.layout.threads(), place, reducer, line, parts);
    if constexpr (R::joined) {
        int lanes = 1;
        while (lanes < 32 && lanes < slots) lanes *= 2;
        launch(name, join<R>, line.chunks - 1, kJoinThreads, place, reducer, line, parts, lanes);
    }
}

}  // namespace gnnctl::cuda
