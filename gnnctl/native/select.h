// The gradient of minimum and maximum: each destination's feature chose one edge, which receives all of it. So this
// walks destinations and not edges: D * F additions, where gathering by source would read E * F ranks and gradients.
#pragma once

#include "kernels.h"

namespace gnnctl {

struct Factors {
    const void* weight;  // (edges, heads) of the compute type, or null
    std::int64_t heads;
};

// out[row[e], f] += weight[e] * grad[d, f] for the edge e that d's feature f chose, in the order of destinations.
void select_sources(const GradientArgs& args, const Factors& factors, void* out, int threads);

// args.out[e, h] += sum over head h's features f that chose e of grad[d, f] * x[row[e], f].
void select_edges(const GradientArgs& args, std::int64_t heads, int threads);

}  // namespace gnnctl
