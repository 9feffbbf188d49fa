"""Decoders against their formulas in float64 and against torch-geometric's models of knowledge graphs."""

import numpy as np
import pytest
import torch
import torch_geometric.nn as peer

from gnnctl.nn.decoders import ComplEx, Decoder, DistMult, Dot, MLPDecoder, RotatE, TransE

N, D, R = 9, 6, 3
BUILD = {
    "dot": lambda: Dot(D),
    "mlp": lambda: MLPDecoder(D, hidden=5),
    "distmult": lambda: DistMult(D, R),
    "complex": lambda: ComplEx(D, R),
    "transe": lambda: TransE(D, R),
    "transe-2": lambda: TransE(D, R, margin=3.0, p=2),
    "rotate": lambda: RotatE(D, R, margin=2.0),
}


def case(name: str) -> tuple[Decoder, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return BUILD[name]().double(), torch.randn(N, D).double(), torch.randn(N, D).double(), torch.randint(R, (N,))


def formula(name: str, model: Decoder, s: np.ndarray, d: np.ndarray, r: int) -> float:
    if name == "dot":
        return float(np.dot(s, d))
    p = {key: value.detach().numpy() for key, value in model.named_parameters()}
    if name == "mlp":
        hidden = p["src.weight"] @ s + p["src.bias"] + p["dst.weight"] @ d
        return float(p["out.weight"][0] @ np.maximum(hidden, 0) + p["out.bias"][0])
    w, half = p["relation.weight"][r], D // 2
    if name == "distmult":
        return sum(s[i] * w[i] * d[i] for i in range(D))
    if name.startswith("transe"):
        order, margin = (2, 3.0) if name == "transe-2" else (1, 1.0)
        return margin - sum(abs(s[i] + w[i] - d[i]) ** order for i in range(D)) ** (1 / order)
    sc, dc = s[:half] + 1j * s[half:], d[:half] + 1j * d[half:]
    if name == "complex":
        return float((sc * (w[:half] + 1j * w[half:]) * dc.conj()).sum().real)
    return 2.0 - float(np.sqrt((np.abs(sc * np.exp(1j * w) - dc) ** 2).sum()))


@pytest.mark.parametrize("name", BUILD)
def test_scores_are_the_written_formula(name: str) -> None:
    model, src, dst, relation = case(name)
    with torch.no_grad():
        found = model(src, dst, relation)
    expected = [formula(name, model, src[i].numpy(), dst[i].numpy(), int(relation[i])) for i in range(N)]
    torch.testing.assert_close(found, torch.tensor(expected).double())


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("candidate_is_src", [False, True])
def test_against_all_repeats_the_scores_of_pairs(name: str, candidate_is_src: bool) -> None:
    model, ends, candidates, relation = case(name)
    found = model.against_all(ends, candidates, relation, candidate_is_src=candidate_is_src)
    for j in range(N):
        other = candidates[j].expand(N, -1)
        pair = (other, ends) if candidate_is_src else (ends, other)
        torch.testing.assert_close(found[:, j], model(*pair, relation))


@pytest.mark.parametrize("name", ["distmult", "complex", "transe", "rotate"])
def test_scores_agree_with_the_peer(name: str) -> None:
    kind = {"distmult": peer.DistMult, "complex": peer.ComplEx, "transe": peer.TransE, "rotate": peer.RotatE}[name]
    complex_numbers = name in ("complex", "rotate")
    torch.manual_seed(1)
    theirs = kind(N, R, D // 2 if complex_numbers else D)
    ours = {"rotate": RotatE, "complex": ComplEx, "distmult": DistMult, "transe": TransE}[name](D, R)
    nodes, weight = theirs.node_emb.weight, theirs.rel_emb.weight
    if complex_numbers:
        nodes = torch.cat([nodes, theirs.node_emb_im.weight], -1)
    if name == "complex":
        weight = torch.cat([weight, theirs.rel_emb_im.weight], -1)
    if name == "transe":  # the peer scales both ends to length 1, and has the margin in its loss
        nodes = torch.nn.functional.normalize(nodes, p=1.0, dim=-1)
        ours.margin = 0.0
    ours.relation.weight.data.copy_(weight.data)
    head, tail, relation = torch.randint(N, (20,)), torch.randint(N, (20,)), torch.randint(R, (20,))
    torch.testing.assert_close(ours(nodes[head], nodes[tail], relation), theirs(head, relation, tail))


def test_bad_arguments_are_named() -> None:
    for build, word in [
        (lambda: ComplEx(5, 2), "channels"),
        (lambda: RotatE(5, 2), "channels"),
        (lambda: Dot(0), "channels"),
        (lambda: DistMult(4, 0), "relations"),
        (lambda: TransE(4, 1, p=3), "p must"),
        (lambda: MLPDecoder(4, hidden=0), "hidden"),
        (lambda: DistMult(4, 2)(torch.ones(1, 4), torch.ones(1, 4)), "relation"),
    ]:
        with pytest.raises(ValueError, match=word):
            build()
