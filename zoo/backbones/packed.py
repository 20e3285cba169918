"""Runs ESM-2 and ESM C on a CPU without padding: chains lie end to end, a few at a time.

Each layer goes over blocks of whole chains, so that what it makes stays in cache. The modules are
those of `transformers`, so adapters take part; the arithmetic between them differs in rounding
alone: GELU is one kernel, and queries are scaled in the attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.backbones.base import OnLayer, Start

BLOCK = 512
"""Tokens of a block, unless one chain has more. 256 to 1,024 were equally fast on 512 KB of L2."""
Angles = tuple[Tensor, Tensor]
"""Cosines and sines (rows, 1, head width / 2) of each row's rotary position."""


@dataclass(frozen=True)
class Parts:
    """An encoder, as `run` goes through it.

    Attributes:
        embed: Returns (chains, tokens, width) of tokens and what is no padding.
        rotary: Returns cosines and sines (1, rows, head width) of a tensor and positions (1, rows).
        layers: Its layers.
        layer: Returns a layer's output of (rows, width), their angles, and the chains' lengths.
        norm: The final norm.
    """

    embed: Callable[[Tensor, Tensor], Tensor]
    rotary: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    layers: Iterable[Any]
    layer: Callable[[Any, Tensor, Angles, Sequence[int]], Tensor]
    norm: Callable[[Tensor], Tensor]


def parts_of(model: Any) -> Parts | None:
    """Return the parts of a `transformers` model that `run` takes; None for any other."""
    config: Any = model.config
    if config.model_type == "esmc" and config.rope_parameters["rope_type"] == "default":
        return Parts(
            lambda tokens, attend: model.embed_tokens(tokens),
            model.rotary_emb, model.layers, _esmc_layer, model.norm,
        )  # fmt: skip
    rotary = getattr(model, "rotary_embeddings", None)
    if config.model_type == "esm" and rotary is not None and not config.is_decoder:
        return Parts(
            lambda tokens, attend: model.embeddings(input_ids=tokens, attention_mask=attend.long()),
            rotary, model.encoder.layer, _esm2_layer, model.encoder.emb_layer_norm_after,
        )  # fmt: skip
    return None


def run(
    parts: Parts,
    tokens: Tensor,
    attend: Tensor,
    on_layer: OnLayer | None = None,
    start: Start | None = None,
) -> Tensor:
    """Return what `SequenceBackbone.forward` does; rows of padding are zero.

    Args:
        parts: the encoder.
        tokens: (chains, tokens), padded at their ends.
        attend: (chains, tokens), False on padding.
        on_layer: called after each layer, with padded rows.
        start: in the model's own dtype.
    """
    lengths = attend.sum(1).tolist()
    done, padded = start or (0, parts.embed(tokens, attend))
    positions = torch.cat([torch.arange(n) for n in lengths])
    turns = parts.rotary(padded, positions[None])
    cos, sin = (turn[0, :, None].chunk(2, -1)[0] for turn in turns)
    sizes = blocks(lengths)
    rows = [sum(size) for size in sizes]
    angles = list(zip(cos.split(rows), sin.split(rows), strict=True))
    x = padded[attend]
    for k, layer in enumerate(parts.layers, start=1):
        if k > done:
            pieces = zip(x.split(rows), angles, sizes, strict=True)
            x = torch.cat([parts.layer(layer, *piece) for piece in pieces])
        if on_layer is not None and k >= done:
            given = _padded(x, attend)
            taken = on_layer(k, given)
            x = x if taken is given else taken[attend]
    return _padded(parts.norm(x), attend)


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


def _esm2_layer(layer: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    """Return a layer's output for (rows, width), chains of these lengths end to end."""
    attention = layer.attention
    mixed = _esm2_attend(attention.self, attention.LayerNorm(x), angles, lengths)
    x = attention.output.dropout(attention.output.dense(mixed)) + x
    hidden = F.gelu(layer.intermediate.dense(layer.LayerNorm(x)))
    return layer.output.dropout(layer.output.dense(hidden)) + x


def _esm2_attend(part: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    heads, width = part.num_attention_heads, part.attention_head_size
    q, k, v = (linear(x).view(-1, heads, width) for linear in (part.query, part.key, part.value))
    return _attended(q, k, v, angles, lengths, part.dropout if part.training else 0.0)


def _esmc_layer(layer: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    """Return a layer's output for (rows, width), chains of these lengths end to end."""
    mixed = _esmc_attend(layer.self_attn, layer.input_layernorm(x), angles, lengths)
    x = x + mixed / layer.scaling_factor
    out: Tensor = x + layer.mlp(layer.post_attention_layernorm(x)) / layer.scaling_factor
    return out


def _esmc_attend(part: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    rows = part.q_norm(part.q_proj(x)), part.k_norm(part.k_proj(x)), part.v_proj(x)
    queries, keys, values = (h.unflatten(1, (-1, part.head_dim)) for h in rows)
    dropout = part.attention_dropout if part.training else 0.0
    out: Tensor = part.o_proj(_attended(queries, keys, values, angles, lengths, dropout))
    return out


def _attended(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    angles: Angles,
    lengths: Sequence[int],
    dropout: float,
) -> Tensor:
    """Return (rows, heads * head width): each chain's attention over itself.

    Args:
        queries: (rows, heads, head width), not turned and not scaled; so are keys.
        keys: of the same shape.
        values: of the same shape.
        angles: of each row.
        lengths: of the chains that lie end to end.
        dropout: share of the weights that are left out.
    """
    queries, keys = _turned(queries, *angles), _turned(keys, *angles)
    given = {"scale": queries.shape[-1] ** -0.5, "dropout_p": dropout}
    chains = zip(*(h.split(list(lengths)) for h in (queries, keys, values)), strict=True)
    mixed = [
        F.scaled_dot_product_attention(*(h.transpose(0, 1)[None] for h in chain), **given)
        for chain in chains
    ]
    return torch.cat([h[0].transpose(0, 1) for h in mixed]).flatten(1)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return (rows, heads, width) turned by each row's angles (rows, 1, width / 2)."""
    a, b = x.float().chunk(2, -1)
    turned = [torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)]
    return torch.cat(turned, -1).to(x.dtype)
