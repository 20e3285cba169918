"""The rearranged messages are those of three GVPs on every edge's joined input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests import shelf
from zoo.backbones import gvp_message as under_test
from zoo.backbones.gvp import GVPLayer
from zoo.backbones.gvp_message import SMALLEST, Length, ScaleByLength, mean_message
from zoo.backbones.message_passing import edge_mean, to_edges, use_engine
from zoo.proteins.graph import Graph


def ragged() -> Graph:
    """Two proteins whose nodes hear from none to five others."""
    degrees = [0, 5, 1, 3, 0, 2, 4, 5, 0, 1]
    dst = torch.repeat_interleave(torch.arange(10), torch.tensor(degrees))
    offset = torch.where(dst < 6, 0, 6)
    src = torch.randint(0, 100, (len(dst),)) % torch.where(dst < 6, 6, 4) + offset
    return Graph(src, dst, (6, 4))


def plainly(layer: GVPLayer, graph: Graph, s: Tensor, v: Tensor, edge: tuple[Tensor, Tensor]):
    ends = [[to_edges(graph, x, "src"), own, to_edges(graph, x, "dst")]
            for x, own in zip((s, v), edge, strict=True)]  # fmt: skip
    message = layer.message(*(torch.cat(parts, dim=1) for parts in ends))
    return tuple(edge_mean(graph, x) for x in message)


@pytest.mark.parametrize("engine", shelf.ENGINES)
@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize("block", [7, 8192])
@pytest.mark.parametrize("edge_vectors", [1, 2])
def test_messages_and_gradients_are_those_of_the_plain_form(
    engine: str, gate: bool, block: int, edge_vectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "BLOCK", block)
    graph = ragged()
    layer = GVPLayer((12, 4), (5, edge_vectors), gate=gate, dropout=0.0).double()
    shapes = [(10, 12), (10, 4, 3), (len(graph.src), 5), (len(graph.src), edge_vectors, 3)]
    s, v, *edge = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    leaves = [s, v, *edge, *layer.message.parameters()]
    with use_engine(engine):
        plain = plainly(layer, graph, s, v, (edge[0], edge[1]))
        fast = mean_message(layer.message, graph, s, v, edge)
        out = [torch.randn_like(x) for x in plain]
        grads = [torch.autograd.grad(x, leaves, out) for x in (plain, fast)]
    for a, b in [*zip(plain, fast, strict=True), *zip(*grads, strict=True)]:
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("function", [Length, ScaleByLength])
def test_gradients_of_lengths(function: type[torch.autograd.Function]) -> None:
    v = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function.apply, v)
    assert torch.autograd.gradgradcheck(function.apply, v)


@pytest.mark.parametrize("function", [Length, ScaleByLength])
def test_a_vector_of_no_length_has_a_finite_gradient(
    function: type[torch.autograd.Function],
) -> None:
    v = torch.zeros(2, 3, 4, requires_grad=True)
    plain = v.square().sum(1).clamp(min=SMALLEST).sqrt()
    plain = plain if function is Length else v * plain.sigmoid()[:, None]
    for out in (function.apply(v), plain):
        (grad,) = torch.autograd.grad(out.sum(), v)
        assert grad.isfinite().all()
    torch.testing.assert_close(function.apply(v), plain)
