"""ESM-2 as `packed` runs it: GELU is one kernel, and queries are scaled in the attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from zoo.backbones.packed import Angles, Parts, attended


def can_pack(model: nn.Module) -> bool:
    """Return whether a `transformers` model is an ESM-2 that `parts` takes apart."""
    config: Any = model.config
    return (
        config.model_type == "esm"
        and getattr(model, "rotary_embeddings", None) is not None
        and not config.is_decoder
    )


def parts(model: Any) -> Parts:
    """Return the parts of a model for which `can_pack` holds."""
    return Parts(
        embed=lambda tokens, attend: model.embeddings(
            input_ids=tokens, attention_mask=attend.long()
        ),
        rotary=model.rotary_embeddings,
        layers=model.encoder.layer,
        layer=_layer,
        norm=model.encoder.emb_layer_norm_after,
    )


def _layer(layer: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    """Return a layer's output for (rows, width), chains of these lengths end to end."""
    attention = layer.attention
    mixed = _attend(attention.self, attention.LayerNorm(x), angles, lengths)
    x = attention.output.dropout(attention.output.dense(mixed)) + x
    hidden = F.gelu(layer.intermediate.dense(layer.LayerNorm(x)))
    return layer.output.dropout(layer.output.dense(hidden)) + x


def _attend(part: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    heads, width = part.num_attention_heads, part.attention_head_size
    q, k, v = (linear(x).view(-1, heads, width) for linear in (part.query, part.key, part.value))
    return attended(q, k, v, angles, lengths, part.dropout if part.training else 0.0)
