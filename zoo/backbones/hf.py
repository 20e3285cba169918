"""Every Hugging Face encoder through one adapter: it runs its own loop and calls back.

Layers are watched with forward hooks that may replace their output. Calling a layer directly does
not work: rotary and relative positions are made by the encoder around them.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.backbones import packed_esm, residue_tokens
from zoo.backbones import plm as plms
from zoo.backbones.base import OnLayer, SequenceBackbone, Start
from zoo.backbones.file_states import FileStates
from zoo.backbones.lowered import lowered
from zoo.backbones.residue_tokens import ResidueTokenizer
from zoo.backbones.weights import Weights
from zoo.errors import ConfigError, WeightsError
from zoo.proteins.batch import Tokens
from zoo.system.memory import check_fits
from zoo.system.reading import plain_file

UNUSED = ("pooler", "contact_head")
"""Parts of some encoders that their hidden states do not pass through."""
MIDWAY = ("bert", "esm", "t5")
"""Types of encoders whose first layers can be left out; another may carry more than one state."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class HFBackbone(SequenceBackbone):
    """A `transformers` encoder with one token a residue.

    A frozen one takes no gradient and stays in evaluation mode, also inside a model in training.
    """

    def __init__(self, model: nn.Module, tokenizer: ResidueTokenizer, *, frozen: bool) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.frozen = frozen
        self.dtype = next(model.parameters()).dtype
        self.rounded: Mapping[str, torch.dtype] = {}
        """The float32 weights that it computes with in another dtype, by their names in `model`."""
        config: Any = model.config
        self.num_layers, self.width = config.num_hidden_layers, config.hidden_size
        # In a list, because a module of this one would be saved under two names.
        self._layers = [find_layers(model, self.num_layers)]
        self.can_start_midway = config.model_type in MIDWAY
        self._packs = packed_esm.can_pack(model)
        self.max_tokens, self.extends = position_limit(config)
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
        start = None if start is None else self._fitting(start, tokens)
        with lowered(self.model, self.rounded):
            return self._run(tokens, attend, on_layer, start)

    def _run(
        self, tokens: Tensor, attend: Tensor, on_layer: OnLayer | None, start: Start | None
    ) -> Tensor:
        if self._packs and tokens.device.type == "cpu":
            return packed_esm.run(self.model, tokens, attend, on_layer, start)
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
        return k, h.to(self.dtype)

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


def position_limit(config: Any) -> tuple[int | None, bool]:
    """Return how many tokens a model was trained for, and whether it runs on longer ones."""
    if hasattr(config, "relative_attention_num_buckets"):
        return getattr(config, "n_positions", None), True
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None:
        return None, True
    rotary = getattr(config, "position_embedding_type", "") == "rotary"
    if config.model_type == "esm":
        limit -= 2  # positions are counted from behind the padding token
    return limit, rotary or hasattr(config, "rope_parameters")


def load_plm(plm: plms.PLM, weights: Weights, *, dtype: str, seed: int) -> HFBackbone:
    """Return a frozen language model with the weights that `weights.locate` found.

    Raises:
        ConfigError: if it cannot fit into memory, or its architecture is not supported.
        WeightsError: if the file with its weights is broken or does not fit its config.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if plm.preset is not None:
        _check_memory(plm.preset, dtype)
    folder = str(weights.folder) if weights.folder else None
    config = _config(plm, folder)
    tokenizer = _tokenizer(plm, folder, config)
    model = _encoder(config, folder if weights.kind == "pretrained" else None, dtype, seed)
    for unused in UNUSED:
        if getattr(model, unused, None) is not None:
            setattr(model, unused, None)
    return HFBackbone(model, tokenizer, frozen=True)


def shape_of(plm: plms.PLM, weights: Weights) -> tuple[int, int]:
    """Return how many layers a language model has, and how wide they are, without loading it.

    Raises:
        WeightsError: if its architecture is not known here.
    """
    if plm.states is not None:
        return FileStates.num_layers, plm.states.width
    if plm.preset is not None:
        return plm.preset.num_layers, plm.preset.width
    config = _config(plm, str(weights.folder) if weights.folder else None)
    return config.num_hidden_layers, config.hidden_size


def _check_files(folder: Path) -> None:
    """Refuse a folder with anything but files and folders, which transformers might wait for."""
    try:
        for path in folder.iterdir():
            if not path.is_dir():
                plain_file(path)
    except OSError as error:
        raise WeightsError(f"{error.filename} {error.strerror}.") from None


def _config(plm: plms.PLM, folder: str | None) -> Any:
    from transformers import AutoConfig

    if folder is not None:
        _check_files(Path(folder))
        # Left unsaid, transformers asks on the terminal whether to run the folder's own code.
        try:
            return AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # OSError, ValueError, KeyError: as AutoTokenizer's
            first = (str(error).strip().splitlines() or ["no reason given"])[0]
            raise WeightsError(
                f"{folder}/config.json is no architecture that transformers has: {first}"
            ) from error
    if plm.preset is not None:
        return plms.architecture(plm.preset)
    raise WeightsError(
        f"The architecture of {plm.name!r} is not known without its config.json. Run `python -m "
        f"zoo.download {shlex.quote(plm.name)} --out DIR` on a machine with internet and give "
        "--seq DIR."
    )


def _tokenizer(plm: plms.PLM, folder: str | None, config: Any) -> ResidueTokenizer:
    if plm.preset is not None and folder is None:
        return residue_tokens.published(plm.preset.family)
    assert folder is not None
    return residue_tokens.from_pretrained(folder, config.model_type)


def _encoder(config: Any, folder: str | None, dtype: str, seed: int) -> nn.Module:
    from transformers import AutoModel, AutoModelForTextEncoding

    two_sided = config.is_encoder_decoder or config.model_type == "t5"
    auto: Any = AutoModelForTextEncoding if two_sided else AutoModel
    if folder is not None:
        return _pretrained(auto, folder, dtype)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return auto.from_config(config, dtype=DTYPES[dtype])


def _pretrained(auto: Any, folder: str, dtype: str) -> nn.Module:
    """Load weights; left alone, `transformers` fills in at random what a file lacks."""
    try:
        model, report = auto.from_pretrained(
            folder, dtype=DTYPES[dtype], local_files_only=True, output_loading_info=True,
            trust_remote_code=False,
        )  # fmt: skip
    except Exception as error:  # OSError, RuntimeError for a wrong shape, SafetensorError, ...
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise WeightsError(
            f"The weights in {folder} cannot be loaded: {type(error).__name__}: {first}"
        ) from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        raise WeightsError(
            f"The weights in {folder} lack {len(missing)} tensors of its config.json, the first "
            f"{missing[0]}. Fetch the folder again, or build with --weights random."
        )
    return model


def _check_memory(preset: plms.Preset, dtype: str) -> None:
    """A machine that swaps or kills says nothing; a sum done before it does."""
    check_fits(
        f"{preset.short} in {dtype}",
        preset.parameters * DTYPES[dtype].itemsize,
        "Use a smaller language model, or --set sequence.dtype=bfloat16 for half as much.",
    )
