import pytest
import torch
from functorch.compile import make_boxed_func

from gnnctl.nn.relu import ReLU, _relu_backward


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_compiled_relu_has_torchs_numbers_and_gradients(dtype):
    x = torch.randn(7, 5, dtype=dtype)
    x[0] = 0
    grad = torch.randn(7, 5, dtype=dtype)
    found = []
    for module in (torch.nn.ReLU(), ReLU(), torch.compile(ReLU(), backend="aot_eager", fullgraph=True)):
        given = x.clone().requires_grad_()
        out = module(given)
        out.backward(grad)
        found.append((out.detach(), given.grad))
    for out, gradient in found[1:]:
        assert torch.equal(out, found[0][0])
        assert torch.equal(gradient, found[0][1])


def test_no_mask_is_kept_for_the_backward_pass():
    seen = []

    def watch(graph, inputs):
        seen.append(graph)
        return make_boxed_func(graph)

    backend = torch._dynamo.backends.common.aot_autograd(
        fw_compiler=watch, partition_fn=torch._functorch.partitioners.min_cut_rematerialization_partition
    )
    x = torch.randn(7, 5, requires_grad=True)
    torch.compile(lambda x: ReLU()(x) * 2, backend=backend)(x).sum().backward()
    kept = seen[0].graph.output_node().args[0]
    assert all(node.meta["val"].dtype == torch.float32 for node in kept)


def test_export_takes_torchs_own():
    exported = torch.export.export(ReLU(), (torch.randn(3),))
    assert [n.target for n in exported.graph.nodes if n.op == "call_function"] == [torch.ops.aten.relu.default]


def test_the_operator_keeps_its_contract():
    torch.library.opcheck(_relu_backward, (torch.randn(3, 4), torch.randn(3, 4)))
    torch.library.opcheck(_relu_backward, (torch.randn(4, 3).T, torch.randn(3, 4)))
