"""The mean of three GVPs' messages over a node's edges, with each part where it is cheapest.

The numbers are those of the three GVPs on every edge's joined input (source, edge, destination),
averaged at the destination. There are thirty times as many edges as nodes, so:

- the first GVP's maps are split: what they make of a node is computed once a node, and added up
  on edges;
- the last GVP ends in linear maps, which commute with the mean and are applied to nodes;
- vectors lie as (rows, 3, channels), so that mixing channels is one matrix product;
- edges go in blocks that stay in the processor's cache.

A block's rows are scalars, lengths and vectors beside each other: (edges, s + c + 3 c).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones.gvp_fast import Totals, suits
from zoo.backbones.message_passing import edge_sum, u_add_v
from zoo.proteins.graph import Block, Graph

if TYPE_CHECKING:
    from zoo.backbones.gvp import GVP

SMALLEST = 1e-8
"""Least squared length, so that its root has a gradient."""
BLOCK = 8192
"""Edges at a time."""


class Length(torch.autograd.Function):
    """Lengths of vectors (rows, 3, channels): (rows, channels)."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        """Return the lengths, at least 1e-4."""
        out = _dot(v, v).clamp_(min=SMALLEST).sqrt_()
        ctx.save_for_backward(v, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Return the gradient; none at the least length."""
        v, length = ctx.saved_tensors
        return v * _above_least(grad / length, length)[:, None]


class ScaleByLength(torch.autograd.Function):
    """Vectors (rows, 3, channels) times a sigmoid of their own lengths."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        """Return the scaled vectors."""
        length = _dot(v, v).clamp_(min=SMALLEST).sqrt_()
        ctx.save_for_backward(v, length)
        return v * length.sigmoid()[:, None]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Return the gradient."""
        v, length = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: it runs through the length
            length = Length.apply(v)
        scale = length.sigmoid()
        along = _above_least(_dot(grad, v) * scale * (1 - scale) / length, length)
        return grad * scale[:, None] + v * along[:, None]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return (rows, channels); a sum over the middle axis is many times slower."""
    return (a[:, 0] * b[:, 0]).addcmul_(a[:, 1], b[:, 1]).addcmul_(a[:, 2], b[:, 2])


def _lengths(v: Tensor) -> Tensor:
    """Return the lengths (rows, channels) of vectors (rows, 3, channels)."""
    if torch.compiler.is_compiling():  # the compiler fuses and differentiates the formula itself
        return _dot(v, v).clamp(min=SMALLEST).sqrt()
    out: Tensor = Length.apply(v)
    return out


def _scaled(v: Tensor) -> Tensor:
    """Return vectors (rows, 3, channels) times a sigmoid of their lengths."""
    if torch.compiler.is_compiling():
        return v * _lengths(v).sigmoid()[:, None]
    out: Tensor = ScaleByLength.apply(v)
    return out


def _above_least(x: Tensor, length: Tensor) -> Tensor:
    return x.masked_fill(length.square() <= SMALLEST * 1.001, 0.0)


def mean_message(
    gvps: Iterable[nn.Module], graph: Graph, s: Tensor, v: Tensor, edge: Any
) -> tuple[Tensor, Tensor]:
    """Return the mean message of each node: scalars (nodes, s) and vectors (nodes, c, 3).

    Args:
        gvps: three, the last one without activation.
        graph: edges sorted by destination.
        s: (nodes, s) scalars.
        v: (nodes, c, 3) vectors.
        edge: scalars (edges, .) and vectors (edges, ., 3) of edges.
    """
    first, second, last = gvps = cast("list[GVP]", [*gvps])
    split = _Split(first, s, v.transpose(1, 2).contiguous(), edge)
    if suits(gvps, graph, *split.s, *split.v, *edge):
        total = Totals.apply(graph, *split.s, *split.v, *edge, *split.weights(second, last))
    else:
        total = torch.cat(
            [
                edge_sum(b, _last_on_edges(last, *_activated(second, *split.on_edges(b))))
                for b in graph.blocks(BLOCK)
            ]
        )
    degree = graph.in_degrees.to(total.dtype)[:, None]
    return _last_on_nodes(last, total / degree.clamp(min=1), (degree > 0).to(total.dtype))


class _Split:
    """The first GVP's maps over [source, edge, destination], taken apart."""

    def __init__(self, gvp: GVP, s: Tensor, v: Tensor, edge: Any) -> None:
        assert gvp.wh is not None
        self.gvp, self.edge_s, self.edge_v = gvp, edge[0], edge[1].transpose(1, 2)
        scalars, vectors = s.shape[1], v.shape[2]
        widths = [scalars, self.edge_s.shape[1], scalars]
        source, self.of_edge, destination, self.of_length = gvp.ws.weight.split(
            [*widths, gvp.wh.weight.shape[0]], dim=1
        )
        self.s = F.linear(s, source, gvp.ws.bias), F.linear(s, destination)
        source, self.of_edge_v, destination = gvp.wh.weight.split(
            [vectors, self.edge_v.shape[2], vectors], dim=1
        )
        self.v = F.linear(v, source).flatten(1), F.linear(v, destination).flatten(1)

    def weights(self, second: GVP, last: GVP) -> tuple[Tensor, ...]:
        """Return the matrices that the kernel takes, as `gvp_kernel.Weights` names them."""
        assert self.gvp.wv is not None and second.wh is not None
        assert second.wv is not None and last.wh is not None
        hidden = second.wh.weight.shape[0]
        of_scalar, of_length = second.ws.weight.split([self.s[0].shape[1], hidden], dim=1)
        return (
            self.of_edge, self.of_length, self.of_edge_v, self.gvp.wv.weight,
            of_scalar, of_length, second.ws.bias[:, None],
            second.wh.weight, second.wv.weight, last.wh.weight,
        )  # fmt: skip

    def on_edges(self, block: Block) -> tuple[Tensor, Tensor]:
        """Return scalars (edges, s) and vectors (edges, 3, c) of a block, activated."""
        hidden = _joined(block, *self.v).unflatten(1, (3, -1))
        hidden = hidden + F.linear(self.edge_v[block.edges], self.of_edge_v)
        s = torch.addmm(_joined(block, *self.s), self.edge_s[block.edges], self.of_edge.t())
        s = torch.addmm(s, _lengths(hidden), self.of_length.t())
        return _activate(self.gvp, s, hidden)


def _joined(block: Block, source: Tensor, destination: Tensor) -> Tensor:
    return u_add_v(block, source, destination[block.nodes])


def _activated(gvp: GVP, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a GVP makes of scalars (rows, s) and vectors (rows, 3, c)."""
    assert gvp.wh is not None
    hidden = F.linear(v, gvp.wh.weight)
    return _activate(gvp, _scalars(gvp, s, _lengths(hidden), gvp.ws.bias), hidden)


def _scalars(gvp: GVP, s: Tensor, lengths: Tensor, bias: Tensor) -> Tensor:
    of_scalar, of_length = gvp.ws.weight.split([s.shape[1], lengths.shape[1]], dim=1)
    return torch.addmm(torch.addmm(bias, s, of_scalar.t()), lengths, of_length.t())


def _activate(gvp: GVP, s: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    assert gvp.wv is not None
    v = F.linear(hidden, gvp.wv.weight)
    v = _scaled(v) if gvp.gate is None else v * gvp.gate(s).sigmoid()[:, None]
    return s.relu(), v


def _last_on_edges(gvp: GVP, s: Tensor, v: Tensor) -> Tensor:
    """Return what the last GVP needs the mean of: scalars, lengths and vectors."""
    assert gvp.wh is not None and gvp.wv is not None
    hidden = F.linear(v, gvp.wh.weight)
    lengths = _lengths(hidden)
    if gvp.gate is not None:  # a gate is not linear, so gated vectors are averaged
        scale = gvp.gate(_scalars(gvp, s, lengths, gvp.ws.bias)).sigmoid()
        v = F.linear(hidden, gvp.wv.weight) * scale[:, None]
    return torch.cat([s, lengths, v.flatten(1)], dim=1)


def _last_on_nodes(gvp: GVP, mean: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean message; a node that heard none gets zeros, not the bias."""
    assert gvp.wh is not None and gvp.wv is not None
    width = gvp.ws.weight.shape[1]
    s = F.linear(mean[:, :width], gvp.ws.weight) + heard * gvp.ws.bias
    v = mean[:, width:].unflatten(1, (3, -1))
    if gvp.gate is None:
        v = F.linear(F.linear(v, gvp.wh.weight), gvp.wv.weight)
    return s, v.transpose(1, 2)
