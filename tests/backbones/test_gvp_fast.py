"""GVP's kernel in Numba gives what the PyTorch engine gives, and runs only where it should.

`test_gvp_message.py` holds it, as every engine, against the plain form.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import shelf
from zoo.backbones import gvp_fast as under_test
from zoo.backbones.gvp import GVPLayer
from zoo.backbones.gvp_message import mean_message
from zoo.backbones.message_passing import numba_problem, use_engine
from zoo.errors import ConfigError
from zoo.proteins.graph import Graph

needs_numba = pytest.mark.skipif(
    numba_problem() is not None, reason=f"no Numba, of the extra `fast`: {numba_problem()}"
)
WIDTHS = [((100, 16), (32, 1)), ((20, 3), (7, 2))]
"""Scalars and vectors of nodes and edges: as published, and some that fill no vector."""
NODES = 120
Case = tuple[GVPLayer, Graph, list[Tensor]]


def case(widths: Any = WIDTHS[1], dtype: torch.dtype = torch.float32, seed: int = 0) -> Case:
    """A layer, a graph whose nodes hear from none to sixty others, and what the layer gets."""
    torch.manual_seed(seed)
    degrees = torch.randint(1, 61, (NODES,))
    degrees[[0, 7, NODES - 1]] = 0
    dst = torch.arange(NODES).repeat_interleave(degrees)
    graph = Graph(torch.randint(0, NODES, (len(dst),)), dst, (NODES,))
    (s, v), (edge_s, edge_v) = widths
    layer = GVPLayer((s, v), (edge_s, edge_v), gate=False, dropout=0.0).to(dtype)
    shapes = [(NODES, s), (NODES, v, 3), (len(dst), edge_s), (len(dst), edge_v, 3)]
    return layer, graph, [torch.randn(x, dtype=dtype, requires_grad=True) for x in shapes]


def messages(made: Case, engine: str = "numba") -> tuple[Tensor, Tensor]:
    layer, graph, (s, v, *edge) = made
    with use_engine(engine):
        return mean_message(layer.message, graph, s, v, edge)


def slopes(made: Case, out: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Gradients of a random sum, the same in every precision, for all that asks for one."""
    torch.manual_seed(1)
    along = [torch.randn(x.shape, dtype=torch.float64).to(x.dtype) for x in out]
    leaves = [x for x in made[2] if x.requires_grad]
    return torch.autograd.grad(out, [*leaves, *made[0].message.parameters()], along)


def apart(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@needs_numba
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_messages_and_gradients_are_those_of_the_pytorch_engine(widths: Any, seed: int) -> None:
    made = case(widths, torch.float64, seed)
    ours, theirs = messages(made), messages(made, "torch")
    for a, b in [*zip(ours, theirs, strict=True),
                 *zip(slopes(made, ours), slopes(made, theirs), strict=True)]:  # fmt: skip
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    assert not ours[0][0].any() and not ours[1][NODES - 1].any()  # they heard nothing


@needs_numba
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_in_single_precision_they_agree_to_rounding(widths: Any) -> None:
    made, exact = case(widths), case(widths, torch.float64)
    exact[0].load_state_dict(made[0].state_dict())
    with torch.no_grad():
        for a, b in zip(exact[2], made[2], strict=True):
            a.copy_(b)
    ours, theirs, right = messages(made), messages(made, "torch"), messages(exact)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    for a, b in zip(slopes(made, ours), slopes(exact, right), strict=True):
        # Where a ReLU's input is nearly 0, rounding decides whether an edge has a gradient.
        assert apart(a.double(), b) < 3e-3


@needs_numba
def test_gradients_of_the_kernel() -> None:
    """Of all that it gets: 3 scalars and 2 vectors a node, 5 hidden channels in the first GVP."""
    torch.manual_seed(0)
    graph = Graph(torch.randint(0, 5, (9,)), torch.tensor([0, 0, 0, 1, 1, 3, 4, 4, 4]), (5,))
    ends = [(5, 3), (5, 3), (5, 15), (5, 15), (9, 2), (9, 1, 3)]
    weights = [(3, 2), (3, 5), (5, 1), (2, 5), (3, 3), (3, 2), (3, 1), (2, 2), (2, 2), (2, 2)]
    given = [torch.randn(x, dtype=torch.float64, requires_grad=True) for x in [*ends, *weights]]
    assert torch.autograd.gradcheck(lambda *x: under_test.Totals.apply(graph, *x), given)


@needs_numba
def test_a_second_derivative_is_an_error_with_a_fix() -> None:
    made = case()
    with pytest.raises(RuntimeError, match="use_engine"):
        torch.autograd.grad(sum(x.sum() for x in messages(made)), made[2][:1], create_graph=True)


@needs_numba
def test_gradients_of_edges_are_left_out_where_nobody_asks() -> None:
    made = case()
    every = slopes(made, messages(made))
    for edge in made[2][2:]:
        edge.requires_grad_(False)
    for a, b in zip(slopes(made, messages(made)), [*every[:2], *every[4:]], strict=True):
        assert torch.equal(a, b)


def split(made: Case) -> tuple[Tensor, ...]:
    """What the kernel gets, made for all nodes at once."""
    found: list[tuple[Tensor, ...]] = []

    class Caught(under_test.Totals):
        @staticmethod
        def apply(graph: Graph, *given: Tensor) -> Tensor:
            found.append(given)
            return under_test.Totals.apply(graph, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.backbones.gvp_message.Totals", Caught)
        messages(made)
    return found[0]


@needs_numba
def test_batched_equals_single_bit_for_bit() -> None:
    made = case(WIDTHS[0])
    graph, given = made[1], split(made)
    whole = under_test.Totals.apply(graph, *given)
    for node in range(0, NODES, 7):
        here = slice(*torch.searchsorted(graph.dst, torch.tensor([node, node + 1])).tolist())
        alone = Graph(graph.src[here], graph.dst[here], (NODES,))
        ends = [*given[:4], *(x[here] for x in given[4:6])]
        if here.start < here.stop:
            row = under_test.Totals.apply(alone, *ends, *given[6:])[node]
            assert torch.equal(row, whole[node])


@needs_numba
def test_the_order_of_edges_and_nodes_does_not_matter() -> None:
    layer, graph, (s, v, *edge) = made = case(dtype=torch.float64)
    order = torch.randperm(NODES)
    place = torch.argsort(order)
    mixed = torch.randperm(len(graph.src))
    by_dst = mixed[torch.argsort(place[graph.dst][mixed])]
    turned = Graph(place[graph.src][by_dst], place[graph.dst][by_dst], (NODES,))
    other = (layer, turned, [s[order], v[order], *(x[by_dst] for x in edge)])
    for a, b in zip(messages(other), messages(made), strict=True):
        torch.testing.assert_close(a, b[order], rtol=1e-12, atol=1e-12)


@needs_numba
def test_scalars_stay_and_vectors_turn() -> None:
    layer, graph, (s, v, edge_s, edge_v) = made = case(dtype=torch.float64)
    matrix = torch.from_numpy(shelf.rotation(2))
    other = (layer, graph, [s, v @ matrix.T, edge_s, edge_v @ matrix.T])
    (s_after, v_after), (s_out, v_out) = messages(other), messages(made)
    torch.testing.assert_close(s_after, s_out, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(v_after, v_out @ matrix.T, rtol=1e-12, atol=1e-12)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the number of threads, and gives each of them few edges."""
    before = torch.get_num_threads()
    monkeypatch.setattr(under_test, "A_THREADS", 64)
    yield torch.set_num_threads
    torch.set_num_threads(before)


@needs_numba
def test_the_number_of_threads_does_not_matter(threads: Any) -> None:
    outs, grads = [], []
    for count in (1, 2, 5, 5):
        threads(count)
        made = case(dtype=torch.float64)
        given = [x.detach().requires_grad_() for x in split(made)]
        outs.append(under_test.Totals.apply(made[1], *given))
        grads.append(torch.autograd.grad(outs[-1].sin().sum(), given))
    assert len(under_test._parts(made[1])) == 5
    assert all(torch.equal(out, outs[0]) for out in outs)
    for few in grads[1:]:
        for a, b in zip(few, grads[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    assert all(torch.equal(a, b) for a, b in zip(grads[2], grads[3], strict=True))


@needs_numba
def test_two_callers_at_once_do_not_disturb_each_other(threads: Any) -> None:
    threads(2)
    made = case(WIDTHS[0])
    with torch.no_grad():
        right = messages(made)
        with ThreadPoolExecutor(4) as pool:
            for out in pool.map(lambda _: messages(made), range(16)):
                assert all(torch.equal(a, b) for a, b in zip(out, right, strict=True))


@needs_numba
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_what_is_no_number_is_where_the_pytorch_engine_has_it(value: float) -> None:
    layer, graph, (s, v, *edge) = case()
    with torch.no_grad():
        s[3, 0] = v[50, 1, 2] = value
        ours, theirs = (messages((layer, graph, [s, v, *edge]), x) for x in ("numba", "torch"))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a.isfinite(), b.isfinite())
        torch.testing.assert_close(
            a.nan_to_num(0, 0, 0), b.nan_to_num(0, 0, 0), rtol=1e-4, atol=1e-5
        )


@needs_numba
@pytest.mark.parametrize("x", [0.0, 1e-30, 1e-3, 0.5, 1.0, 10.0, 87.0, 200.0])
def test_exponentials(x: float) -> None:
    from numba import njit

    from zoo.backbones.gvp_kernel import _exp_in_single

    assert njit(_exp_in_single)(torch.tensor(-x).numpy()[()]) == pytest.approx(
        torch.tensor(-x).exp().item(), rel=3e-7, abs=1e-37
    )


def suits(made: Case, engine: str = "numba") -> bool:
    layer, graph, tensors = made
    with use_engine(engine):
        return under_test.suits(layer.message, graph, *(x.detach() for x in tensors))


@needs_numba
def test_the_kernel_takes_large_graphs_where_no_engine_was_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = case()
    assert suits(made) and not suits(made, "auto") and not suits(made, "torch")
    monkeypatch.setattr(under_test, "ENOUGH", len(made[1].src))
    assert suits(made, "auto") and not suits(made, "torch")
    monkeypatch.setattr(under_test, "numba_problem", lambda: "ImportError: none")
    assert not suits(made, "auto")


@needs_numba
def test_the_kernel_leaves_alone_what_it_does_not_know() -> None:
    layer, graph, tensors = made = case()
    assert suits(made)
    with torch.autocast("cpu", torch.bfloat16):
        assert not suits(made)
    assert not suits((layer, graph, [x.bfloat16() for x in tensors]))
    assert not suits((layer, graph, [tensors[0].double(), *tensors[1:]]))
    assert not suits((layer, graph, [x.to("meta") for x in tensors]))
    assert not suits((GVPLayer((20, 3), (7, 2), gate=True, dropout=0.0), graph, tensors))
    assert not suits((layer, Graph(graph.src[:0], graph.dst[:0], (NODES,)), tensors))
    nothing = Graph(graph.src[:0], graph.dst[:0], (NODES,))
    out = messages((layer, nothing, [*tensors[:2], *(x[:0] for x in tensors[2:])]))
    assert not any(x.any() for x in out)


def test_without_numba_the_engine_is_an_error_that_names_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoo.backbones.message_passing.numba_problem", lambda: "ImportError: none")
    with pytest.raises(ConfigError, match=r"ImportError: none.*\[fast\].*--engine torch"):
        use_engine("numba").__enter__()


@needs_numba
def test_a_kernel_that_cannot_be_kept_runs_all_the_same() -> None:
    from zoo.backbones.tiles import kept

    found: dict[str, Any] = {}
    exec(compile("def twice(x): return 2 * x", "<nowhere>", "exec"), found)  # no file, no folder
    assert kept(found["twice"])(21) == 42


SMALL = """
import sys, torch
from zoo.backbones.gvp import GVPLayer
from zoo.proteins.graph import Graph
src = torch.arange(10)
layer = GVPLayer((8, 2), (4, 1), gate=False, dropout=0.0)
layer(Graph(src, src, (10,)), torch.randn(10, 8), torch.randn(10, 2, 3),
      (torch.randn(10, 4), torch.randn(10, 1, 3)))
print("numba" in sys.modules)
"""


def test_a_small_graph_does_not_import_numba() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", SMALL], capture_output=True,
                         text=True, check=True, timeout=120)  # fmt: skip
    assert run.stdout.split() == ["False"]
