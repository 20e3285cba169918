"""The graph operations against plain loops; two engines, the same numbers and gradients."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from tests import shelf
from zoo.backbones import message_passing as mp
from zoo.errors import ConfigError
from zoo.proteins.graph import Graph

#: (nodes of each protein, edges): node 3 is isolated, node 4 only sends; no edges; no nodes.
GRAPHS = {
    "ordinary": ((3, 2), [(1, 0), (2, 0), (4, 0), (0, 1), (2, 1), (0, 2)]),
    "no edges": ((2, 0, 1), []),
    "no nodes": ((0,), []),
}
OPERATIONS = {
    "u_add_v": (mp.u_add_v, ("nodes", "nodes")),
    "u_mul_e_sum": (mp.u_mul_e_sum, ("nodes", "edges")),
    "edge_sum": (mp.edge_sum, ("edges",)),
    "edge_mean": (mp.edge_mean, ("edges",)),
    "edge_softmax": (mp.edge_softmax, ("edges",)),
    "to_edges src": (lambda g, x: mp.to_edges(g, x, "src"), ("nodes",)),
    "to_edges dst": (lambda g, x: mp.to_edges(g, x, "dst"), ("nodes",)),
    "readout mean": (lambda g, x: mp.readout(g, x, "mean"), ("nodes",)),
    "readout sum": (lambda g, x: mp.readout(g, x, "sum"), ("nodes",)),
}
on_every_graph = pytest.mark.parametrize("name", GRAPHS)
for_every_operation = pytest.mark.parametrize("operation", OPERATIONS)
on_every_engine = pytest.mark.parametrize("engine", shelf.ENGINES)
of_every_shape = pytest.mark.parametrize("shape", [(2,), (2, 3)], ids=["2", "2x3"])


def graph_named(name: str) -> Graph:
    counts, edges = GRAPHS[name]
    ends = torch.tensor(edges, dtype=torch.long).view(-1, 2)
    return Graph(ends[:, 0].contiguous(), ends[:, 1].contiguous(), counts)


def arguments(graph: Graph, operation: str, shape: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    rows = {"nodes": graph.total_nodes, "edges": len(graph.src)}
    return [
        torch.randn((rows[where], *shape), generator=generator, dtype=torch.float64)
        .requires_grad_()
        for where in OPERATIONS[operation][1]
    ]  # fmt: skip


def plain(graph: Graph, operation: str, x: Tensor, y: Tensor | None = None) -> Tensor:
    """The operation by its definition, row by row."""
    edges = list(zip(graph.src.tolist(), graph.dst.tolist(), strict=True))
    zero = x.new_zeros(x.shape[1:])

    def stack(rows: list[Tensor]) -> Tensor:
        return torch.stack(rows) if rows else x.new_zeros((0, *x.shape[1:]))

    def incoming(node: int) -> list[int]:
        return [i for i, (_, dst) in enumerate(edges) if dst == node]

    nodes = range(graph.total_nodes)
    if operation == "u_add_v":
        return stack([x[src] + y[dst] for src, dst in edges])
    if operation == "u_mul_e_sum":
        return stack([sum((x[edges[i][0]] * y[i] for i in incoming(n)), zero) for n in nodes])
    if operation == "edge_sum":
        return stack([sum((x[i] for i in incoming(n)), zero) for n in nodes])
    if operation == "edge_mean":
        sums = [sum((x[i] for i in incoming(n)), zero) for n in nodes]
        return stack([s / max(len(incoming(n)), 1) for n, s in enumerate(sums)])
    if operation == "edge_softmax":
        return stack([x[i].exp() / x[incoming(e[1])].exp().sum(0) for i, e in enumerate(edges)])
    if operation.startswith("to_edges"):
        return stack([x[e[operation.endswith("dst")]] for e in edges])
    sums = []
    for part in x.split(list(graph.num_nodes)):
        sums.append(part.sum(0) / (max(len(part), 1) if operation.endswith("mean") else 1))
    return torch.stack(sums)


@on_every_engine
@on_every_graph
@for_every_operation
@of_every_shape
def test_operations_equal_their_definition(
    engine: str, name: str, operation: str, shape: tuple[int, ...]
) -> None:
    graph = graph_named(name)
    given = arguments(graph, operation, shape)
    with mp.use_engine(engine):
        found = OPERATIONS[operation][0](graph, *given)
    expected = plain(graph, operation, *given)
    assert found.shape == expected.shape
    shelf.assert_close(found, expected)


@on_every_engine
@on_every_graph
@for_every_operation
def test_gradients_are_right(engine: str, name: str, operation: str) -> None:
    graph = graph_named(name)
    given = arguments(graph, operation, (2,))
    with mp.use_engine(engine):
        if not any(x.numel() for x in given):
            OPERATIONS[operation][0](graph, *given).sum().backward()
            assert all(x.grad is not None for x in given)
            return
        assert torch.autograd.gradcheck(lambda *xs: OPERATIONS[operation][0](graph, *xs), given)


@on_every_engine
@for_every_operation
def test_second_derivatives_are_right(engine: str, operation: str) -> None:
    """DGL's own edge_softmax fails this one in silence, which is why ours is composed."""
    graph = graph_named("ordinary")
    given = arguments(graph, operation, (2,))
    with mp.use_engine(engine):
        assert torch.autograd.gradgradcheck(lambda *xs: OPERATIONS[operation][0](graph, *xs), given)


@on_every_engine
def test_softmax_of_large_scores_does_not_overflow(engine: str) -> None:
    graph = graph_named("ordinary")
    with mp.use_engine(engine):
        weights = mp.edge_softmax(graph, torch.tensor([1e4, -1e4, 1e4, 3e4, 3e4, -9e4]))
    assert weights.tolist() == [0.5, 0.0, 0.5, 0.5, 0.5, 1.0]


def test_softmax_weights_sum_to_one_at_every_node_that_hears_any() -> None:
    graph = graph_named("ordinary")
    total = mp.edge_sum(graph, mp.edge_softmax(graph, torch.randn(6, 4)))
    shelf.assert_close(total, (graph.in_degrees > 0).float()[:, None].expand(-1, 4))


def test_an_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'torch'"):
        mp.set_engine("pytorch")


def test_the_choice_of_an_engine_ends_with_its_block() -> None:
    before = mp.engine_for(torch.zeros(1))
    with pytest.raises(RuntimeError), mp.use_engine("torch"):
        assert mp.engine_for(torch.zeros(1)) == "torch"
        raise RuntimeError
    assert mp.engine_for(torch.zeros(1)) == before


def test_auto_is_dgl_exactly_where_dgl_runs() -> None:
    expected = "torch" if mp.dgl_problem() else "dgl"
    with mp.use_engine("auto"):
        assert mp.engine_for(torch.zeros(1)) == expected
        assert mp.engine_for(torch.zeros(1, dtype=torch.float16)) == "torch"
        assert mp.engine_for(torch.zeros(1, device="meta")) == "torch"


@pytest.mark.skipif(mp.dgl_problem() is not None, reason=f"no DGL: {mp.dgl_problem()}")
def test_dgl_by_name_is_refused_what_it_cannot_do() -> None:
    with (
        mp.use_engine("dgl"),
        pytest.raises(ConfigError, match=r"float16 on cpu.*--engine torch or auto"),
    ):
        mp.engine_for(torch.zeros(1, dtype=torch.float16))


def test_without_dgl_everything_runs_on_torch_and_dgl_by_name_is_an_error() -> None:
    script = """
import sys
sys.modules["dgl"] = None
import torch
from zoo.backbones import message_passing as mp
from zoo.errors import ConfigError
assert mp.dgl_problem() is not None
assert mp.engine_for(torch.zeros(1)) == "torch"
try:
    mp.set_engine("dgl")
except ConfigError as error:
    assert "pip install" in str(error), error
else:
    raise AssertionError("no error")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("degrees", [[3, 3, 3, 3], [3, 0, 5, 1]])
def test_a_softmax_over_edges_is_that_of_each_node_alone(degrees: list[int]) -> None:
    dst = torch.repeat_interleave(torch.arange(4), torch.tensor(degrees))
    graph = Graph(torch.arange(len(dst)) % 4, dst, (4,))
    assert graph.constant_degree == (3 if len(set(degrees)) == 1 else None)
    logits = torch.randn(len(dst), 2, dtype=torch.float64, requires_grad=True)
    alone = torch.cat([part.softmax(0) for part in logits.split(degrees)])
    torch.testing.assert_close(mp.edge_softmax(graph, logits), alone)
    assert torch.autograd.gradcheck(lambda x: mp.edge_softmax(graph, x), logits)
    assert torch.autograd.gradgradcheck(lambda x: mp.edge_softmax(graph, x), logits)
