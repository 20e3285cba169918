"""Runs ESM-2 on a CPU without padding: chains lie end to end, a few at a time.

Each layer goes over blocks of whole chains, so that what it makes stays in cache. The modules are
those of `transformers`, so adapters take part; the arithmetic between them differs in rounding
alone: GELU is one kernel, and queries are scaled in the attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones.base import OnLayer, Start

BLOCK = 512
"""Tokens of a block, unless one chain has more. 256 to 1,024 were equally fast on 512 KB of L2."""


def can_pack(model: nn.Module) -> bool:
    """Return whether a `transformers` model is an encoder that `run` computes."""
    config: Any = model.config
    return (
        config.model_type == "esm"
        and getattr(model, "rotary_embeddings", None) is not None
        and not config.is_decoder
    )


def run(
    model: Any,
    tokens: Tensor,
    attend: Tensor,
    on_layer: OnLayer | None = None,
    start: Start | None = None,
) -> Tensor:
    """Return what `SequenceBackbone.forward` does; rows of padding are zero.

    Args:
        model: for which `can_pack` holds.
        tokens: (chains, tokens), padded at their ends.
        attend: (chains, tokens), False on padding.
        on_layer: called after each layer, with padded rows.
        start: in the model's own dtype.
    """
    lengths = attend.sum(1).tolist()
    done, padded = start or (0, model.embeddings(input_ids=tokens, attention_mask=attend.long()))
    positions = torch.cat([torch.arange(n) for n in lengths])
    turns = model.rotary_embeddings(padded, positions[None])
    cos, sin = (turn[0, :, None].chunk(2, -1)[0] for turn in turns)
    sizes = blocks(lengths)
    rows = [sum(size) for size in sizes]
    angles = list(zip(cos.split(rows), sin.split(rows), strict=True))
    x = padded[attend]
    for k, layer in enumerate(model.encoder.layer, start=1):
        if k > done:
            parts = zip(x.split(rows), angles, sizes, strict=True)
            x = torch.cat([_layer(layer, *part) for part in parts])
        if on_layer is not None and k >= done:
            given = _padded(x, attend)
            taken = on_layer(k, given)
            x = x if taken is given else taken[attend]
    return _padded(model.encoder.emb_layer_norm_after(x), attend)


def blocks(lengths: Sequence[int]) -> list[list[int]]:
    """Return the lengths in runs whose sum stays within `BLOCK`; a longer one is alone."""
    runs: list[list[int]] = []
    for length in lengths:
        if runs and sum(runs[-1]) + length <= BLOCK:
            runs[-1].append(length)
        else:
            runs.append([length])
    return runs


def _padded(x: Tensor, attend: Tensor) -> Tensor:
    """Return (chains, tokens, width) from the rows that are no padding."""
    if attend.all():
        return x.view(*attend.shape, -1)
    return x.new_zeros(*attend.shape, x.shape[1]).masked_scatter(attend[:, :, None], x)


def _layer(layer: Any, x: Tensor, angles: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
    """Return a layer's output for (rows, width), chains of these lengths end to end."""
    attention = layer.attention
    mixed = _attend(attention.self, attention.LayerNorm(x), angles, lengths)
    x = attention.output.dropout(attention.output.dense(mixed)) + x
    hidden = F.gelu(layer.intermediate.dense(layer.LayerNorm(x)))
    return layer.output.dropout(layer.output.dense(hidden)) + x


def _attend(part: Any, x: Tensor, angles: tuple[Tensor, Tensor], lengths: Sequence[int]) -> Tensor:
    heads, width = part.num_attention_heads, part.attention_head_size
    q, k, v = (linear(x).view(-1, heads, width) for linear in (part.query, part.key, part.value))
    q, k = _turned(q, *angles), _turned(k, *angles)
    given = {"scale": width**-0.5, "dropout_p": part.dropout if part.training else 0.0}
    mixed = [
        F.scaled_dot_product_attention(*(h.transpose(0, 1)[None] for h in chain), **given)
        for chain in zip(q.split(lengths), k.split(lengths), v.split(lengths), strict=True)
    ]
    return torch.cat([h[0].transpose(0, 1) for h in mixed]).flatten(1)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return (rows, heads, width) turned by each row's angles (rows, 1, width / 2)."""
    a, b = x.float().chunk(2, -1)
    turned = [torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)]
    return torch.cat(turned, -1).to(x.dtype)
