"""Layers that `torch.compile` compiles: the same numbers, no graph breaks, and no second time."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests import shelf
from tests.tracing import traced as traced
from tests.tracing import traced_graphs
from zoo.backbones import STRUCTURE_BACKBONES, NodeState, StructureBackbone, compiling
from zoo.backbones.compiling import check_compile, compile_layers
from zoo.backbones.message_passing import use_engine
from zoo.errors import ConfigError
from zoo.proteins.build_graph import FeatureWidths, build_graph
from zoo.proteins.graph import Graph

Case = tuple[str, dict[str, Any]]
SPEC = shelf.SPECS["residue"]
FEW = (61, 33)
"""Lengths of which what is compiled serves all others: see `batch`."""
MANY = range(8, 58)
KINDS = {"mpnn": 2}
"""Kinds of layer of a network, where it is not one: `mpnn` updates nodes and edges."""


def made(case: Case) -> StructureBackbone:
    name, keywords = case
    torch.manual_seed(0)
    return STRUCTURE_BACKBONES[name](FeatureWidths.of(SPEC), **keywords).eval()


@cache
def batch(length: int, *, even: bool = False) -> Graph:
    """Return a graph of one protein, two or three, of which the second has fewer edges a node.

    Where all nodes have as many edges, layers take another way; `even` leaves the second out.
    """
    sizes = [length, 5, 14][: 1 + length % 3]
    return Graph.batch([build_graph(shelf.ordinary(n), SPEC) for n in sizes if n > 6 or not even])


def through(model: StructureBackbone, graph: Graph) -> list[Tensor]:
    """Return what comes out, and with gradients that of each weight."""
    model.zero_grad()
    with use_engine("torch"):
        state = model.run(graph, model.embed(graph), 0, model.num_layers)
    out = model.finish(state)
    if not out.requires_grad:
        return [out, state.v]
    (out.square().mean() + state.v.square().mean()).backward()
    return [out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def assert_equal(model: StructureBackbone, plain: StructureBackbone, graph: Graph) -> None:
    for given, expected in zip(through(model, graph), through(plain, graph), strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", STRUCTURE_BACKBONES)
def test_a_new_length_compiles_nothing(name: str) -> None:
    """What is compiled for the first protein serves all lengths, all layers and another model.

    Counted are the graphs that PyTorch's tracer made. There are no breaks: with `fullgraph` one
    is an error.
    """
    case = (name, shelf.SMALL.get(name, {}))
    model, other, plain = made(case), made(case), made(case)
    compile_layers(model, "cpu")
    compile_layers(other, "cpu")
    assert_equal(model, plain, batch(FEW[0], even=True))
    assert traced_graphs() == KINDS.get(name, 1)
    for length in MANY:
        through(other, batch(length, even=True))
    assert_equal(other, plain, batch(MANY[-1], even=True))
    assert traced_graphs() == KINDS.get(name, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gvp", "gat", "mpnn"])
def test_a_new_length_compiles_nothing_in_training(name: str) -> None:
    """Compiled are the two ways of a layer (see `batch`), and apart from the others the first.

    That one may get what needs no gradient.
    """
    case = (name, shelf.SMALL.get(name, {}))
    model, plain = made(case), made(case)
    compile_layers(model, "cpu")
    for length in FEW:
        assert_equal(model, plain, batch(length))
    number = traced_graphs()
    assert 0 < number <= 4 * KINDS.get(name, 1)
    for length in MANY[::5]:
        assert_equal(model, plain, batch(length))
    assert traced_graphs() == number
    assert list(model.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("name", STRUCTURE_BACKBONES)
def test_every_layer_of_a_network_is_one_that_is_compiled(name: str) -> None:
    model = made((name, {}))
    compile_layers(model, "cpu")
    parts = [p for child in model.children() if isinstance(child, nn.ModuleList) for p in child]
    assert len(parts) >= model.num_layers and model.compiled
    assert all(part._compiled_call_impl is not None for part in parts)


class Asking(StructureBackbone):
    """A network of a plug-in, whose layer asks for a number of its data."""

    num_layers, width = 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Identity()])

        def largest(x: Tensor) -> Tensor:
            return x + 1 if x.max().item() > 0 else x

        self.layers[0].forward = largest

    def embed(self, graph: Graph) -> NodeState:
        return NodeState(graph.nodes["pos"], graph.nodes["pos"][:, None])

    def layer(self, graph: Graph, state: NodeState, index: int) -> NodeState:
        return NodeState(self.layers[index](state.s), state.v)


def test_a_network_that_cannot_be_compiled_is_named() -> None:
    model, graph = Asking(), batch(FEW[0])
    compile_layers(model, "cpu")
    with pytest.raises(ConfigError, match=r"layers of Asking cannot .*Or leave train"):
        model.run(graph, model.embed(graph), 0, 1)


def test_what_is_missing_is_named_before_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as inductor

    patched = inductor.patch({"cpp.cxx": ("/nowhere/c++",)})
    with patched, pytest.raises(ConfigError, match=r"C\+\+ compiler.*apt-get install g\+\+.*CXX"):
        check_compile(True, "cpu")
    with pytest.raises(ConfigError, match="this model has none"):
        compile_layers(None, "cpu")
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: False)
    with pytest.raises(ConfigError, match="cuda:1 needs Triton"):
        check_compile(True, "cuda:1")


@pytest.mark.parametrize("engine", ["dgl", "numba"])
def test_another_engine_is_not_compiled(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "chosen_engine", lambda: engine)
    with pytest.raises(ConfigError, match=f"Engine '{engine}' cannot be compiled"):
        check_compile(True, "cpu")


@pytest.mark.slow
def test_inductors_code_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of SchNet: another network takes a minute to compile, and `compiled.py` compares any."""
    monkeypatch.setattr(compiling, "BACKEND", "inductor")
    case = ("schnet", shelf.SMALL["schnet"])
    model, plain = made(case), made(case)
    compile_layers(model, "cpu")
    assert_equal(model, plain, batch(FEW[0], even=True))
    number = traced_graphs()
    for length in (8, 40):
        assert_equal(model, plain, batch(length, even=True))
    assert traced_graphs() == number
