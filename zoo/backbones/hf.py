"""Every Hugging Face encoder through one adapter: it runs its own loop and calls back.

Layers are watched with forward hooks that may replace their output. Calling a layer directly does
not work: rotary and relative positions are made by the encoder around them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from zoo.backbones import packed
from zoo.backbones.base import OnLayer, SequenceBackbone, Start
from zoo.backbones.lowered import lowered
from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.errors import ConfigError
from zoo.proteins.batch import Tokens

MIDWAY = ("bert", "esm", "esmc", "t5")
"""Types of encoders whose first layers can be left out; another may carry more than one state."""


class HFBackbone(SequenceBackbone):
    """A `transformers` encoder with one token a residue.

    A frozen one takes no gradient and stays in evaluation mode, also inside a model in training.
    """

    def __init__(self, model: nn.Module, tokenizer: ResidueTokenizer, *, frozen: bool) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.reads = tokenizer.reads
        self.frozen = frozen
        self.rounded: Mapping[str, torch.dtype] = {}
        """The float32 weights that it computes with in another dtype, by their names in `model`."""
        config: Any = model.config
        self.num_layers, self.width = config.num_hidden_layers, config.hidden_size
        # In a list, because a module of this one would be saved under two names.
        self._layers = [find_layers(model, self.num_layers)]
        self.can_start_midway = config.model_type in MIDWAY
        self.memory_is_linear = packed.parts_of(model) is not None
        self.max_tokens, self.extends = position_limit(model)
        self._warned = False
        self.requires_grad_(not frozen)
        self.train(not frozen)

    @property
    def layers(self) -> nn.ModuleList:
        """The encoder's layers."""
        return self._layers[0]

    def train(self, mode: bool = True) -> HFBackbone:
        """Set training mode, unless frozen."""
        super().train(mode and not self.frozen)
        return self

    def keep(self, count: int) -> None:
        """Leave only the first layers; what the last of them gives goes through the final norm."""
        if count >= self.num_layers:
            return
        del self.layers[count:]
        self.num_layers = count
        config: Any = self.model.config
        config.num_hidden_layers = count

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        """Return one token a residue, between the model's own special tokens.

        Raises:
            ConfigError: if a chain is longer than the model has positions for.
        """
        self._check_length(max(map(len, sequences), default=0) + self.tokenizer.num_special)
        return self.tokenizer(sequences)

    def forward(
        self,
        tokens: Tensor,
        attend: Tensor,
        on_layer: OnLayer | None = None,
        start: Start | None = None,
    ) -> Tensor:
        """Return (chains, tokens, width) after the final norm, calling back after each layer.

        Raises:
            ValueError: for a `start` that does not fit.
        """
        with lowered(self.model, self.rounded):
            start = None if start is None else self._fitting(start, tokens)
            return self._run(tokens, attend, on_layer, start)

    def _run(
        self, tokens: Tensor, attend: Tensor, on_layer: OnLayer | None, start: Start | None
    ) -> Tensor:
        parts = packed.parts_of(self.model) if tokens.device.type == "cpu" else None
        if parts is not None:
            return packed.run(parts, tokens, attend, on_layer, start)
        first = 1
        skipping: AbstractContextManager[None] = nullcontext()
        if start is not None:
            first, h = start
            skipping = left_out(self.layers[:first], h)
        with skipping, watched(self.layers, on_layer, first):
            output = self.model(input_ids=tokens, attention_mask=attend.long())
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _fitting(self, start: Start, tokens: Tensor) -> Start:
        """Return a start in the model's own dtype, checked."""
        k, h = start
        if not self.can_start_midway:
            raise ValueError(f"{type(self.model).__name__} cannot start midway, see MIDWAY")
        if not 1 <= k <= self.num_layers:
            raise ValueError(f"start after layer {k}; there are 1 to {self.num_layers}")
        if h.shape != (*tokens.shape, self.width):
            raise ValueError(f"start of {tuple(h.shape)}, not {(*tokens.shape, self.width)}")
        return k, h.to(next(self.parameters()).dtype)

    def embedding(self, tokens: Tensor, attend: Tensor) -> Tensor:
        """Return (chains, tokens, width): layer 0, what enters the first layer."""
        seen: list[Tensor] = []
        hook = self.layers[0].register_forward_pre_hook(
            lambda module, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
        try:
            with lowered(self.model, self.rounded):
                self.model(input_ids=tokens, attention_mask=attend.long())
        finally:
            hook.remove()
        return seen[0]

    def _check_length(self, tokens: int) -> None:
        if self.max_tokens is None or tokens <= self.max_tokens:
            return
        longest = self.max_tokens - self.tokenizer.num_special
        length = tokens - self.tokenizer.num_special
        if not self.extends:
            raise ConfigError(
                f"A chain of {length} residues is longer than the {longest} that this language "
                "model has positions for. Use one without fixed positions (any ESM-2, ProtT5)."
            )
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"a chain of {length} residues is longer than the {longest} that this language "
                "model was trained on; it runs, but its features may be poorer",
                stacklevel=3,
            )


def find_layers(model: nn.Module, count: int) -> nn.ModuleList:
    """Return the list of the encoder's layers.

    Raises:
        ConfigError: if the architecture keeps them in another form.
    """
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ConfigError(
        f"{type(model).__name__} does not keep its {count} layers in one list, so their outputs "
        "cannot be reached. Use an ESM, BERT or T5 type of encoder."
    )


@contextmanager
def left_out(layers: nn.ModuleList, h: Tensor) -> Iterator[None]:
    """Have some layers compute nothing and give `h` while the block runs.

    The encoder still makes its masks and rotary positions, which the other layers need.
    """
    for layer in layers:
        layer.forward = _giving(layer, h)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # its class's own shows again


def _giving(layer: Any, h: Tensor) -> Callable[..., Any]:
    """Return a `forward` that gives `h` in the form that the layer has."""

    def give(*args: Any, **kwargs: Any) -> Tensor:
        return h

    def give_with_bias(hidden: Tensor, mask: Tensor, bias: Any, *args: Any, **kwargs: Any) -> Any:
        if bias is None:  # the first block makes it, and each hands it on
            bias = layer.layer[0].SelfAttention.compute_bias(h.shape[1], h.shape[1])
        return h, bias, None

    return give_with_bias if hasattr(layer, "layer") else give  # T5's blocks have layers


@contextmanager
def watched(layers: nn.ModuleList, on_layer: OnLayer | None, first: int = 1) -> Iterator[None]:
    """Let `on_layer` see, and replace, what layers from `first` on give while the block runs."""
    hooks = [
        layer.register_forward_hook(_calling(k, on_layer))
        for k, layer in enumerate(layers, start=1)
        if on_layer is not None and k >= first
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _calling(k: int, on_layer: OnLayer) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if isinstance(output, tuple):  # T5 blocks carry their position bias along
            return (on_layer(k, output[0]), *output[1:])
        return on_layer(k, output)

    return hook


def position_limit(model: nn.Module) -> tuple[int | None, bool]:
    """Return how many tokens a model was trained for, and whether it runs on longer ones."""
    config: Any = model.config
    if hasattr(config, "relative_attention_num_buckets"):
        return getattr(config, "n_positions", None), True
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None or limit <= 0:  # XLNet's relative positions say -1
        return None, True
    rotary = getattr(config, "position_embedding_type", "") == "rotary"
    before = 2 if config.model_type == "esm" else _positions_before(model, limit)
    return limit - before, rotary or hasattr(config, "rope_parameters")


def _positions_before(model: nn.Module, limit: int) -> int:
    """Return how many positions no token takes: RoBERTa's kin count from behind padding's."""
    tables = [
        x for name, x in model.named_modules()
        if "position" in name and isinstance(x, nn.Embedding) and x.num_embeddings == limit
    ]  # fmt: skip
    return max((x.padding_idx + 1 for x in tables if x.padding_idx is not None), default=0)
