#!/usr/bin/env bash
# make cuda-check: everything about the CUDA kernels that only a GPU can tell. Results of the benchmark: run/cuda.
set -euo pipefail
cd "$(dirname "$0")/../.."
python - <<'PYTHON'
import sys

import torch

if not torch.cuda.is_available():
    sys.exit("make cuda-check: torch sees no GPU; the kernels' tests on the CPU run with make test")
print(torch.cuda.get_device_name(), "compute capability", torch.cuda.get_device_capability())
PYTHON
capability=$(python -c 'import torch; print("".join(map(str, torch.cuda.get_device_capability())))')
python -m pip install --quiet --no-build-isolation --no-deps --editable . \
    -C cmake.define.GNNCTL_CUDA=ON -C "cmake.define.GNNCTL_CUDA_ARCHITECTURES=$capability-real"
python -m pytest tests/cuda
on_gpu=(tests/cuda/test_aggregation.py tests/cuda/test_attention.py tests/cuda/test_products.py
    -k "not emulated and not hub and not order_of_threads and not beyond_32_bits" -q -p no:cacheprovider --timeout 0)
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
if [ -x "$sanitizer" ]; then
    # Torch's allocator would hide accesses beyond one tensor and inside another.
    for tool in memcheck racecheck synccheck; do
        PYTORCH_NO_CUDA_MEMORY_CACHING=1 "$sanitizer" --tool "$tool" --error-exitcode 1 \
            python -m pytest "${on_gpu[@]}"
    done
else
    echo "make cuda-check: compute-sanitizer is not installed: NOT checked by it" >&2
fi
gnnctl bench kernels --device cuda -o run/cuda --force
