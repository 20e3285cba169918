"""Where GVP's messages run on the kernel of `gvp_kernel`, and its place in PyTorch's gradients.

The kernel needs Numba (extra `fast`). Each thread takes the edges of some destinations, so that no
two write to one row. The threads are Python's: Numba's own need a library that not every machine
has, and without it end the process where two threads call a kernel at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones.message_passing import chosen_engine, numba_problem
from zoo.proteins.graph import Graph

if TYPE_CHECKING:
    from zoo.backbones.gvp import GVP

ENOUGH = 16_384
"""Edges from which on the kernel is used: for fewer, importing Numba costs more than it saves."""
A_THREADS = 2_048
"""Edges that are worth a thread, at least."""
KINDS = [{(Tensor, dtype, "cpu")} for dtype in (torch.float32, torch.float64)]
"""Of the tensors: all alike, on a CPU, and no subclass, as stand-ins without numbers are."""
ENDS, EDGES = 6, (4, 5)
"""How many tensors come before the weights, and where the edges' own are."""


def suits(gvps: Iterable[nn.Module], graph: Graph, *tensors: Tensor) -> bool:
    """Return whether the kernel takes the messages: this is the one place that decides."""
    if torch.compiler.is_compiling():  # what is asked below cannot be traced
        return False
    chosen = chosen_engine()
    return (
        (chosen == "numba" or (chosen == "auto" and len(graph.src) >= ENOUGH))
        and len(graph.src) > 0
        and all(cast("GVP", gvp).gate is None for gvp in gvps)
        and {(type(x), x.dtype, x.device.type) for x in tensors} in KINDS
        and not torch.is_autocast_enabled("cpu")
        and numba_problem() is None
    )


class Totals(torch.autograd.Function):
    """Sums over edges of what the last GVP needs: (nodes, scalars + lengths + 3 vectors)."""

    @staticmethod
    def forward(ctx: Any, graph: Graph, *given: Tensor) -> Tensor:
        """Return the sums.

        Args:
            ctx: autograd's.
            graph: edges sorted by destination.
            given: what `gvp_kernel.Ends` holds from `s_src` on, then the (out, in) matrices of
                `gvp_kernel.Weights`.
        """
        from zoo.backbones.gvp_kernel import forward

        ctx.graph = graph
        ctx.save_for_backward(*given)
        ends, weights = _packed(graph, given)
        shapes = _shapes(graph, given)
        sums = [given[0].new_zeros(rows, _whole(width, given[0])) for rows, width in shapes]
        arrays = [x.numpy() for x in sums]
        _on_threads([partial(forward, weights, ends, *part, *arrays) for part in _parts(graph)])
        cut = [x[:, :width] for x, (_, width) in zip(sums, shapes, strict=True)]
        return torch.cat([x.reshape(graph.total_nodes, -1) for x in cut], dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the gradients of all that was given."""
        if torch.is_grad_enabled():
            raise RuntimeError(
                "The kernel of GVP's messages has no second derivative. Fix: put the forward pass "
                'in a block `with zoo.use_engine("torch"):`.'
            )
        edges = any(ctx.needs_input_grad[i + 1] for i in EDGES)
        return None, *_gradients(ctx.graph, ctx.saved_tensors, grads[0], edges)


def _gradients(
    graph: Graph, given: Sequence[Tensor], grad: Tensor, edges: bool
) -> Iterator[Tensor | None]:
    """Yield the gradient of each tensor given; None for those of edges without `edges`."""
    from zoo.backbones.gvp_kernel import Ends, Weights, backward

    ends, weights = _packed(graph, given)
    back = Weights(*(_padded(x).numpy() for x in given[ENDS:]))
    asked = _asked(graph, given, grad)
    s_dst, v_dst = _zeros(ends.s_dst, ends.v_dst)
    of_edge_s, of_edge_v = (given[i][: len(graph.src) * edges] for i in EDGES)
    edge_s = of_edge_s.new_zeros(len(of_edge_s), _whole(of_edge_s.shape[1], of_edge_s))
    edge_v = torch.zeros_like(of_edge_v, memory_format=torch.contiguous_format)
    founds, calls = [], []
    for part in _parts(graph):  # each adds to sources and weights of its own
        s_src, v_src, *dw = found = _zeros(ends.s_src, ends.v_src, *weights)
        d = Ends(ends.src, ends.dst, *_arrays(s_src, s_dst, v_src, v_dst, edge_s, edge_v))
        few = Weights(*_arrays(*_zeros(*weights)))
        calls.append(partial(backward, weights, back, ends, *part, asked, few,
                             Weights(*_arrays(*dw)), d, edges))  # fmt: skip
        founds.append(found)
    _on_threads(calls)
    s_src, v_src, *dw = map(_sum, zip(*founds, strict=True))
    for x, like in zip((s_src, s_dst, v_src, v_dst), given[: EDGES[0]], strict=True):
        yield x[:, : like.numel() // len(x)].reshape(like.shape)
    yield edge_s[:, : of_edge_s.shape[1]] if edges else None
    yield edge_v if edges else None
    for x, like in zip(dw, given[ENDS:], strict=True):
        yield x[:, : len(like)].t()


def _packed(graph: Graph, given: Sequence[Tensor]) -> tuple[Any, Any]:
    """Return the `Ends` and the `Weights`."""
    from zoo.backbones.gvp_kernel import Ends, Weights

    s_src, s_dst, v_src, v_dst, edge_s, edge_v = given[:ENDS]
    v_src, v_dst = (v.reshape(3 * len(v), -1) for v in (v_src, v_dst))
    nodes = (_padded(x) for x in (s_src, s_dst, v_src, v_dst))
    own = (x.detach().contiguous() for x in (edge_s, edge_v))
    weights = (_padded(x.t()) for x in given[ENDS:])
    ends = (graph.src.contiguous(), graph.dst.contiguous(), *nodes, *own)
    return Ends(*_arrays(*ends)), Weights(*_arrays(*weights))


def _shapes(graph: Graph, given: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Return rows and columns of the sums: scalars, lengths, and vectors with an axis a row."""
    nodes, last = graph.total_nodes, given[-1]
    return [(nodes, given[0].shape[1]), (nodes, last.shape[0]), (3 * nodes, last.shape[1])]


def _asked(graph: Graph, given: Sequence[Tensor], grad: Tensor) -> tuple[Any, ...]:
    """Return the gradients of the three sums."""
    shapes = _shapes(graph, given)
    parts = grad.split([rows // graph.total_nodes * width for rows, width in shapes], dim=1)
    return tuple(_padded(x.reshape(y)).numpy() for x, y in zip(parts, shapes, strict=True))


def _whole(width: int, like: Tensor) -> int:
    """Return the columns of whole vectors that hold `width` numbers."""
    from zoo.backbones.tiles import LINE

    lanes = LINE // like.element_size()
    return -(-width // lanes) * lanes


def _padded(x: Tensor) -> Tensor:
    """Return a matrix with zeros after its columns, up to whole vectors."""
    return F.pad(x.detach(), (0, _whole(x.shape[1], x) - x.shape[1])).contiguous()


def _arrays(*tensors: Tensor) -> list[Any]:
    return [x.numpy() for x in tensors]


def _zeros(*arrays: Any) -> list[Tensor]:
    return [torch.zeros_like(torch.from_numpy(x)) for x in arrays]


def _sum(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum, in the order of the parts: the same numbers each time."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _parts(graph: Graph) -> list[tuple[int, int]]:
    """Return the first edge and the end of each thread's part, for as many as PyTorch has."""
    edges = len(graph.src)
    count = max(1, min(torch.get_num_threads(), edges // A_THREADS))
    return [(part.edges.start, part.edges.stop) for part in graph.blocks(-(-edges // count))]


def _on_threads(calls: Sequence[Callable[[], Any]]) -> None:
    """Run each call on a thread of its own, the first one on this."""
    with ThreadPoolExecutor(max(1, len(calls) - 1)) as pool:
        others = [pool.submit(call) for call in calls[1:]]
        calls[0]()
        for other in others:
            other.result()
