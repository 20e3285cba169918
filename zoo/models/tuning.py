"""Chooses which weights of a language model are trained: none, adapters, the last layers, all."""

from __future__ import annotations

from torch import nn

from zoo.backbones.hf import HFBackbone
from zoo.backbones.lowered import raise_trained
from zoo.errors import ConfigError
from zoo.settings.config import LoraConfig, SequenceConfig

ATTENTION = ({"query", "key", "value"}, {"q", "k", "v"}, {"q_proj", "k_proj", "v_proj"}, {"Wqkv"})
"""Names of the linear layers that make queries, keys and values, for each family of encoders."""


def tune(seq: HFBackbone, settings: SequenceConfig) -> None:
    """Make the weights of a frozen language model trainable that the settings name.

    They become float32, whatever the language model computes in.

    Raises:
        ConfigError: if it has fewer layers than are to be trained, or no such linear layers.
    """
    if settings.tuning == "full":
        seq.requires_grad_(True)
    elif settings.tuning == "last_n":
        _last_layers(seq, settings.last_n)
    elif settings.tuning == "lora":
        _adapters(seq, settings.lora)
    seq.rounded = raise_trained(seq.model)
    seq.frozen = settings.tuning == "frozen"
    seq.train(seq.training)


def _last_layers(seq: HFBackbone, count: int) -> None:
    if count > seq.num_layers:
        raise ConfigError(
            f"sequence.last_n={count}: the language model has {seq.num_layers} layers. Use at "
            "most that many, or sequence.tuning=full."
        )
    for layer in seq.layers[-count:]:
        layer.requires_grad_(True)


def _adapters(seq: HFBackbone, settings: LoraConfig) -> None:
    """Low-Rank Adaptation (Hu et al., arXiv:2106.09685), as PEFT has it."""
    from peft import LoraConfig as PeftConfig
    from peft import inject_adapter_in_model

    there = _linear_names(seq)
    targets = settings.targets or sorted(next((n for n in ATTENTION if n <= there), ()))
    missing = sorted(set(targets) - there)
    if missing or not targets:
        raise ConfigError(
            f"sequence.lora.targets={targets}: the language model's linear layers are called "
            f"{', '.join(sorted(there))}."
        )
    given = PeftConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,  # type: ignore[arg-type]
        target_modules=targets, bias="none",
    )  # fmt: skip
    inject_adapter_in_model(given, seq.model)


def _linear_names(seq: HFBackbone) -> set[str]:
    named = seq.layers.named_modules()
    return {name.rpartition(".")[2] for name, part in named if isinstance(part, nn.Linear)}
