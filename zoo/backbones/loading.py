"""Loads a language model from what its name was resolved to, and its weights to."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.backbones import agreement, residue_tokens, structure_tokens
from zoo.backbones import plm as plms
from zoo.backbones.file_states import FileStates
from zoo.backbones.hf import HFBackbone
from zoo.backbones.tokenizer import ResidueTokenizer
from zoo.backbones.weights import Weights
from zoo.errors import WeightsError
from zoo.system.memory import check_fits
from zoo.system.reading import plain_file

UNUSED = ("pooler", "contact_head")
"""Parts of some encoders that their hidden states do not pass through."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_plm(plm: plms.PLM, weights: Weights, *, dtype: str, seed: int) -> HFBackbone:
    """Return a frozen language model with the weights that `weights.locate` found.

    Raises:
        ConfigError: if it cannot fit into memory, its architecture is not supported, or two chains
            show that it runs otherwise here than on its own (`agreement`).
        WeightsError: if the file with its weights is broken or does not fit its config.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if plm.preset is not None:
        _check_memory(plm.preset, dtype)
    folder = str(weights.folder) if weights.folder else None
    config = _config(plm, folder)
    tokenizer = _tokenizer(plm, folder)
    model = _encoder(config, folder if weights.kind == "pretrained" else None, dtype, seed)
    for unused in UNUSED:
        if getattr(model, unused, None) is not None:
            setattr(model, unused, nn.Identity())  # some encoders call it without asking
    seq = HFBackbone(model, tokenizer, frozen=True)
    if folder is not None and not plm.runs_in_tests:
        agreement.check(seq, Path(folder), weights.kind)
    return seq


def shape_of(plm: plms.PLM, weights: Weights) -> tuple[int, int]:
    """Return how many layers a language model has, and how wide they are, without loading it.

    Raises:
        WeightsError: if its architecture is not known here.
    """
    if plm.states is not None:
        return FileStates.num_layers, plm.states.width
    if plm.preset is not None and (weights.folder is None or plm.revision != plms.NOW):
        return plm.preset.num_layers, plm.preset.width
    config = _config(plm, str(weights.folder) if weights.folder else None)
    try:
        return config.num_hidden_layers, config.hidden_size
    except AttributeError as error:
        raise WeightsError(
            f"{plm.name}: its config.json, of type {config.model_type}, names no single number of "
            "layers and width, so it is no encoder that runs here. Use an ESM, BERT or T5 type."
        ) from error


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
            raise WeightsError(
                f"{folder}/config.json is no architecture that transformers has: {_first(error)}"
            ) from error
    if plm.preset is not None:
        return plms.architecture(plm.preset)
    raise WeightsError(
        f"The architecture of {plm.name!r} is not known without its config.json. Run `python -m "
        f"zoo.download {shlex.quote(plm.name)} --out DIR` on a machine with internet and give "
        "--seq DIR."
    )


def _tokenizer(plm: plms.PLM, folder: str | None) -> ResidueTokenizer:
    if plm.preset is not None and folder is None:
        if plm.threedi or plm.preset.family == "saprot":
            return structure_tokens.published(plm.preset.family)
        return residue_tokens.published(plm.preset.family)
    assert folder is not None
    return residue_tokens.from_pretrained(folder, threedi=plm.threedi)


def _encoder(config: Any, folder: str | None, dtype: str, seed: int) -> nn.Module:
    from transformers import AutoModel, AutoModelForTextEncoding

    two_sided = config.is_encoder_decoder or config.model_type == "t5"
    auto: Any = AutoModelForTextEncoding if two_sided else AutoModel
    if folder is not None:
        return _pretrained(auto, folder, dtype)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            return auto.from_config(config, dtype=DTYPES[dtype])
        except Exception as error:  # ValueError, AssertionError, TypeError: for a bad config
            raise WeightsError(
                f"No encoder can be built from the config.json of type {config.model_type}: "
                f"{type(error).__name__}: {_first(error)}"
            ) from error


def _pretrained(auto: Any, folder: str, dtype: str) -> nn.Module:
    """Load weights; left alone, `transformers` fills in at random what a file lacks."""
    try:
        model, report = auto.from_pretrained(
            folder, dtype=DTYPES[dtype], local_files_only=True, output_loading_info=True,
            trust_remote_code=False,
        )  # fmt: skip
    except Exception as error:  # OSError, RuntimeError for a wrong shape, SafetensorError, ...
        raise WeightsError(
            f"The weights in {folder} cannot be loaded: {type(error).__name__}: {_first(error)}"
        ) from error
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(UNUSED))
    if missing:
        raise WeightsError(
            f"The weights in {folder} lack {len(missing)} tensors of its config.json, the first "
            f"{missing[0]}. Fetch the folder again, or build with --weights random."
        )
    return model


def _first(error: Exception) -> str:
    """Return the first line of an error of transformers, which has many."""
    return (str(error).strip().splitlines() or ["no reason given"])[0]


def _check_memory(preset: plms.Preset, dtype: str) -> None:
    """A machine that swaps or kills says nothing; a sum done before it does."""
    check_fits(
        f"{preset.short} in {dtype}",
        preset.parameters * DTYPES[dtype].itemsize,
        "Use a smaller language model, or --set sequence.dtype=bfloat16 for half as much.",
    )
