"""GVP convolutions on torch-geometric, as arXiv:2009.01411 and 2106.03843 define them.

Every edge joins source, edge and destination, runs three perceptrons and is averaged at the
destination by `MessagePassing`: the plain form, with vectors as (rows, channels, 3).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

try:
    from torch_geometric.nn import MessagePassing
except ImportError:
    from peers.message_passing import MessagePassing

Pair = tuple[Tensor, Tensor]


def norm(v: Tensor, axis: int = -1, keep: bool = False) -> Tensor:
    return v.square().sum(axis, keepdim=keep).clamp(min=1e-8).sqrt()


class Perceptron(nn.Module):
    """Equations 2 to 6 of 2009.01411: scalars see lengths, vectors are mixed and scaled."""

    def __init__(self, dims_in: tuple[int, int], dims_out: tuple[int, int], activate: bool) -> None:
        super().__init__()
        hidden = max(dims_in[1], dims_out[1])
        self.wh = nn.Linear(dims_in[1], hidden, bias=False)
        self.ws = nn.Linear(hidden + dims_in[0], dims_out[0])
        self.wv = nn.Linear(hidden, dims_out[1], bias=False)
        self.activate = activate

    def forward(self, pair: Pair) -> Pair:
        s, v = pair
        hidden = self.wh(v.transpose(-1, -2))
        s = self.ws(torch.cat([s, norm(hidden, -2)], -1))
        v = self.wv(hidden).transpose(-1, -2)
        if self.activate:
            return s.relu(), v * norm(v, -1, keep=True).sigmoid()
        return s, v


class PairNorm(nn.Module):
    def __init__(self, dims: tuple[int, int]) -> None:
        super().__init__()
        self.scalars = nn.LayerNorm(dims[0])

    def forward(self, pair: Pair) -> Pair:
        s, v = pair
        size = v.square().sum(-1, keepdim=True).clamp(min=1e-8).mean(-2, keepdim=True).sqrt()
        return self.scalars(s), v / size


class Conv(MessagePassing):
    """The mean of the messages; scalars and vectors travel as one row."""

    def __init__(self, dims: tuple[int, int], edge_dims: tuple[int, int]) -> None:
        super().__init__(aggr="mean")
        joined = (2 * dims[0] + edge_dims[0], 2 * dims[1] + edge_dims[1])
        self.vectors = dims[1]
        self.perceptrons = nn.Sequential(
            Perceptron(joined, dims, True), Perceptron(dims, dims, True),
            Perceptron(dims, dims, False),
        )  # fmt: skip

    def forward(self, pair: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        s, v = pair
        out = self.propagate(edge_index, s=s, v=v.flatten(1), edge=edge)
        split = out.shape[1] - 3 * self.vectors
        return out[:, :split], out[:, split:].unflatten(1, (-1, 3))

    def message(self, s_i: Tensor, s_j: Tensor, v_i: Tensor, v_j: Tensor, edge: Pair) -> Tensor:
        v_i, v_j = v_i.unflatten(1, (-1, 3)), v_j.unflatten(1, (-1, 3))
        s = torch.cat([s_j, edge[0], s_i], -1)
        v = torch.cat([v_j, edge[1], v_i], -2)
        s, v = self.perceptrons((s, v))
        return torch.cat([s, v.flatten(1)], -1)


class Layer(nn.Module):
    """A convolution and two perceptrons a node, each added and normed."""

    def __init__(self, dims: tuple[int, int], edge_dims: tuple[int, int]) -> None:
        super().__init__()
        wide = (4 * dims[0], 2 * dims[1])
        self.conv = Conv(dims, edge_dims)
        self.norms = nn.ModuleList([PairNorm(dims), PairNorm(dims)])
        self.feed_forward = nn.Sequential(Perceptron(dims, wide, True),
                                          Perceptron(wide, dims, False))  # fmt: skip

    def forward(self, pair: Pair, edge_index: Tensor, edge: Pair) -> Pair:
        change = self.conv(pair, edge_index, edge)
        pair = self.norms[0]((pair[0] + change[0], pair[1] + change[1]))
        change = self.feed_forward(pair)
        out: Pair = self.norms[1]((pair[0] + change[0], pair[1] + change[1]))
        return out


def copy_weights(source: nn.ModuleList, target: nn.ModuleList) -> None:
    """Give layers the weights of others, of here, of the published code or of the zoo.

    All register them in the same order, under other names.
    """
    taken = sorted(source.named_parameters(), key=lambda item: _order(item[0]))
    given = sorted(target.named_parameters(), key=lambda item: _order(item[0]))
    with torch.no_grad():
        for (name, a), (other, b) in zip(taken, given, strict=True):
            assert a.shape == b.shape, (name, other)
            b.copy_(a)


def _order(name: str) -> tuple[Any, ...]:
    layer, rest = name.split(".", 1)
    kinds = (("conv", "message"), ("norm",), ("feed_forward", "ff_func"))
    kind = next(at for at, words in enumerate(kinds) if any(word in rest for word in words))
    numbers = [int(part) for part in rest.split(".") if part.isdigit()]
    weights = ("wh.weight", "ws.weight", "ws.bias", "wv.weight", "weight", "bias")
    return int(layer), kind, numbers, next(i for i, w in enumerate(weights) if rest.endswith(w))
