// The kernels for any processor: 16-byte vectors, which every 64-bit one has.
#include "kernels.h"

#define GNNCTL_VECTOR_BYTES 16

namespace gnnctl::portable {
#include "kernels_vector.h"
#include "kernels_spmm.h"
#include "kernels_softmax.h"

const KernelTable table_f32{sum<float>, extremum<float>, selected_sum<float>, sddmm<float>, attention<float>,
                            attention_backward<float>};
const KernelTable table_f64{sum<double>, extremum<double>, selected_sum<double>, sddmm<double>, attention<double>,
                            attention_backward<double>};
}  // namespace gnnctl::portable
