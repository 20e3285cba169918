"""ESM C as `packed` runs it: queries and keys are normed, and what a layer adds is scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from zoo.backbones.packed import Angles, Parts, attended


def can_pack(model: nn.Module) -> bool:
    """Return whether a `transformers` model is an ESM C that `parts` takes apart."""
    config: Any = model.config
    return config.model_type == "esmc" and config.rope_parameters["rope_type"] == "default"


def parts(model: Any) -> Parts:
    """Return the parts of a model for which `can_pack` holds."""
    return Parts(
        embed=lambda tokens, attend: model.embed_tokens(tokens),
        rotary=model.rotary_emb,
        layers=model.layers,
        layer=_layer,
        norm=model.norm,
    )


def _layer(layer: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    """Return a layer's output for (rows, width), chains of these lengths end to end."""
    mixed = _attend(layer.self_attn, layer.input_layernorm(x), angles, lengths)
    x = x + mixed / layer.scaling_factor
    out: Tensor = x + layer.mlp(layer.post_attention_layernorm(x)) / layer.scaling_factor
    return out


def _attend(part: Any, x: Tensor, angles: Angles, lengths: Sequence[int]) -> Tensor:
    rows = part.q_norm(part.q_proj(x)), part.k_norm(part.k_proj(x)), part.v_proj(x)
    queries, keys, values = (h.unflatten(1, (-1, part.head_dim)) for h in rows)
    dropout = part.attention_dropout if part.training else 0.0
    out: Tensor = part.o_proj(attended(queries, keys, values, angles, lengths, dropout))
    return out
