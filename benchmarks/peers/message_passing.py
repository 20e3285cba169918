"""What `peers.gvp` needs of torch-geometric's `MessagePassing`, where that is not installed.

The same steps on the same tensors: rows of both ends are gathered for every edge, and messages
averaged where they end.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class MessagePassing(nn.Module):
    """Gathers, calls `message` and takes the mean."""

    def __init__(self, aggr: str) -> None:
        super().__init__()
        assert aggr == "mean"

    def propagate(self, edge_index: Tensor, edge: Any, **nodes: Tensor) -> Tensor:
        source, destination = edge_index
        ends = {
            f"{name}_{end}": x.index_select(0, at)
            for name, x in nodes.items() for end, at in (("j", source), ("i", destination))
        }  # fmt: skip
        out: Tensor = self.message(**ends, edge=edge)
        count = len(next(iter(nodes.values())))
        total = out.new_zeros(count, out.shape[1]).index_add(0, destination, out)
        heard = out.new_zeros(count).index_add(0, destination, out.new_ones(len(out)))
        return total / heard.clamp(min=1)[:, None]
