"""The few graph operations that backbones are made of, on two engines with the same numbers.

DGL's kernels run wherever DGL imports and knows the device; plain PyTorch runs everywhere else, and
in what `torch.compile` compiles.
`use_engine("torch")` chooses for a block of code; `engine_for` says which would run and why.
The engine "numba" is "auto", but GVP's kernel takes graphs of any size (see `gvp_fast`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from zoo.errors import ConfigError, unknown
from zoo.proteins.graph import Block, Graph

EngineName = Literal["auto", "dgl", "torch", "numba"]
ENGINES: tuple[EngineName, ...] = ("auto", "dgl", "torch", "numba")
_chosen: ContextVar[EngineName] = ContextVar("engine", default="auto")

# Unset, DGL prints to stderr and writes a file into the home directory at its first import.
os.environ.setdefault("DGLBACKEND", "pytorch")


@cache
def dgl_problem() -> str | None:
    """Return why DGL cannot be used on this machine, or None where it can."""
    try:
        import dgl.ops  # noqa: F401
    except Exception as error:  # a broken wheel raises OSError, FileNotFoundError, DGLError, ...
        return _in_a_line(error)
    return None


@cache
def numba_problem() -> str | None:
    """Return why Numba cannot be used on this machine, or None where it can."""
    try:
        import numba  # noqa: F401
    except Exception as error:  # not installed, or made for another NumPy: ImportError and others
        return _in_a_line(error)
    return None


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no text'}"


@cache
def _dgl_knows(device_type: str) -> bool:
    import dgl

    try:
        dgl.graph(([0], [0])).to(device_type)
    except Exception:  # DGLError for a device that the wheel was built without
        return False
    return True


def set_engine(name: str) -> None:
    """Choose the engine from here on.

    Raises:
        ConfigError: if the name is unknown, or is "dgl" or "numba" where that does not import.
    """
    if name not in ENGINES:
        raise unknown("engine", name, ENGINES)
    if name == "dgl" and (problem := dgl_problem()):
        raise ConfigError(
            f"Engine 'dgl' cannot run here ({problem}). Fix: Python 3.11 and `pip install "
            "dgl==1.1.3`, or use --engine torch, which gives the same numbers."
        )
    if name == "numba" and (problem := numba_problem()):
        raise ConfigError(
            f"Engine 'numba' cannot run here ({problem}). Fix: `pip install -c constraints.txt "
            "'protein-model-zoo[fast]'`, or use --engine torch, which gives the same numbers."
        )
    _chosen.set(name)


@contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Choose the engine for a block of code."""
    before = _chosen.get()
    set_engine(name)
    try:
        yield
    finally:
        _chosen.set(before)


def chosen_engine() -> EngineName:
    """Return what was chosen last, "auto" where nothing was."""
    return _chosen.get()


def engine_for(x: Tensor) -> str:
    """Return "dgl" or "torch": what an operation on `x` runs on now.

    Raises:
        ConfigError: if "dgl" was asked for and knows neither the device nor the precision.
    """
    if torch.compiler.is_compiling():  # DGL's kernels and the choice itself cannot be traced
        return "torch"
    chosen = _chosen.get()
    if chosen == "torch" or (chosen != "dgl" and dgl_problem()):
        return "torch"
    # DGL has no float16 kernels on a CPU, and a CPU wheel knows no other device.
    suits = _dgl_knows(x.device.type) and not (x.dtype == torch.float16 and x.device.type == "cpu")
    if not suits and chosen == "dgl":
        raise ConfigError(
            f"Engine 'dgl' does not take {x.dtype} on {x.device}: its wheel here knows the CPU "
            "in float32, float64 and bfloat16. Use --engine torch or auto."
        )
    return "dgl" if suits else "torch"


def with_loops(graph: Graph) -> Graph:
    """Return the graph with an edge from each node to itself, first of those that end in it.

    Nodes are as they were; edges have no fields.
    """
    itself = torch.arange(graph.total_nodes, device=graph.device)
    dst = torch.cat([itself, graph.dst])
    order = torch.argsort(dst, stable=True)
    src = torch.cat([itself, graph.src]).index_select(0, order)
    looped = Graph(src, dst.index_select(0, order), graph.num_nodes, graph.nodes)
    # Known already: computing them anew would make the CPU wait for a GPU.
    degree = graph.constant_degree
    vars(looped)["protein"] = graph.protein
    vars(looped)["in_degrees"] = graph.in_degrees + 1
    vars(looped)["constant_degree"] = None if degree is None else degree + 1
    return looped


def to_edges(graph: Graph | Block, x: Tensor, end: Literal["src", "dst"]) -> Tensor:
    """Return the (edges, ...) rows of `x` (nodes, ...) at one end of each edge.

    Here and below the nodes at the destinations' end of a block are the block's own.
    """
    # index_select, not x[index]: its backward pass is twice as fast.
    return x.index_select(0, graph.src if end == "src" else graph.dst)


def u_add_v(graph: Graph | Block, u: Tensor, v: Tensor) -> Tensor:
    """Return (edges, ...) the sum of the source's row of `u` and the destination's row of `v`."""
    if engine_for(u) == "dgl":
        import dgl.ops

        return dgl.ops.u_add_v(graph.topology, u, v.to(u.dtype))
    return to_edges(graph, u, "src") + to_edges(graph, v, "dst")


def u_mul_e_sum(graph: Graph | Block, u: Tensor, e: Tensor) -> Tensor:
    """Return (nodes, ...) the sum over incoming edges of the source's row of `u` times `e`."""
    if engine_for(u) == "dgl":
        import dgl.ops

        return dgl.ops.u_mul_e_sum(graph.topology, u, e.to(u.dtype))
    return edge_sum(graph, to_edges(graph, u, "src") * e)


def edge_sum(graph: Graph | Block, e: Tensor) -> Tensor:
    """Return (nodes, ...) the sum of `e` (edges, ...) over incoming edges; 0 without edges."""
    if engine_for(e) == "dgl":
        import dgl.ops

        return dgl.ops.copy_e_sum(graph.topology, e)
    if degree := graph.constant_degree:
        return e.unflatten(0, (-1, degree)).sum(1)
    out = e.new_zeros((graph.total_nodes, *e.shape[1:]))
    return out.index_add(0, graph.dst, e)


def edge_mean(graph: Graph, e: Tensor) -> Tensor:
    """Return (nodes, ...) the mean of `e` (edges, ...) over incoming edges; 0 without edges."""
    degree = graph.in_degrees.clamp(min=1).to(e.dtype)
    return edge_sum(graph, e) / degree.view(-1, *[1] * (e.dim() - 1))


def edge_softmax(graph: Graph, logits: Tensor) -> Tensor:
    """Return (edges, ...) the softmax of `logits` over the edges that end in the same node.

    Composed of sums: `dgl.ops.edge_softmax` has a wrong, silent second derivative. Where every node
    has as many edges it is a dense softmax.
    """
    if degree := graph.constant_degree:
        return logits.unflatten(0, (-1, degree)).softmax(dim=1).flatten(0, 1)
    index = graph.dst.view(-1, *[1] * (logits.dim() - 1)).expand_as(logits)
    lowest = torch.finfo(logits.dtype).min
    top = logits.new_full((graph.total_nodes, *logits.shape[1:]), lowest)
    top = top.scatter_reduce(0, index, logits.detach(), "amax")
    weights = (logits - to_edges(graph, top, "dst")).exp()
    return weights / to_edges(graph, edge_sum(graph, weights), "dst")


def readout(graph: Graph, x: Tensor, how: Literal["mean", "sum"]) -> Tensor:
    """Return (proteins, ...) the mean or sum of `x` (nodes, ...); 0 for a protein without nodes."""
    total = x.new_zeros((graph.num_proteins, *x.shape[1:])).index_add(0, graph.protein, x)
    if how == "sum":
        return total
    counts = torch.tensor(graph.num_nodes, device=x.device).clamp(min=1).to(x.dtype)
    return total / counts.view(-1, *[1] * (x.dim() - 1))
