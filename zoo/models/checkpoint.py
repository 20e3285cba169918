"""Saves and loads a model: config, weights and card, as plain data that is never unpickled."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from zoo import pretrained
from zoo.backbones.states_file import LAYER, split_name
from zoo.errors import CheckpointError, ConfigError, RandomWeightsWarning
from zoo.models import runs
from zoo.models.blueprint import resolve
from zoo.models.card import model_card
from zoo.models.checksums import check_config, check_file, write_checksums
from zoo.models.create import build_model
from zoo.models.model import FusedModel
from zoo.models.runs import CALIBRATION, FACTS, SPLITS, read_run
from zoo.models.summary import RANDOM_WARNING
from zoo.pretrained import folder_of, hint
from zoo.settings.config import FINGERPRINT, STATES, Config
from zoo.settings.former import as_written
from zoo.settings.safe_yaml import read_yaml
from zoo.system.files import settle, write_whole
from zoo.system.reading import plain_file, text

CONFIG, WEIGHTS, CARD = pretrained.CONFIG, runs.WEIGHTS, "README.md"
PLM_PREFIX = "seq."


def save_model(model: FusedModel, folder: str | Path, training: Sequence[str] = ()) -> Path:
    """Write config.yaml, model.safetensors, README.md and checksums.json; return the folder.

    Frozen weights of the language model are not written: the config names the language model, and
    keeps a fingerprint of its weights. `checksums.json` also has the hashes of a calibration and of
    splits that are in the folder.

    Args:
        model: Model to save.
        folder: Folder to write; it is made if it is missing.
        training: Lines for the model card on how the model was trained.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CARD, model_card(model, training))
    save_config(model, folder)
    tensors = {name: tensor.contiguous() for name, tensor in own_state(model).items()}
    part = folder / f"{WEIGHTS}.part"
    save_file(tensors, part)
    shutil.copymode(folder / CONFIG, part)  # safetensors lets only its owner read a file
    beside = {name: folder / name for name in (CALIBRATION, SPLITS) if (folder / name).exists()}
    recipe = model.recipe
    write_checksums(folder, recipe.config, recipe.fingerprint, {WEIGHTS: part, **beside})
    settle(part, folder / WEIGHTS)  # last, so that a folder with weights is a whole one
    return folder


def save_config(model: FusedModel, folder: Path) -> None:
    """Write config.yaml alone: every key, and which language model it is."""
    data = {**model.recipe.config.to_dict(), FINGERPRINT: model.recipe.fingerprint}
    write_whole(folder / CONFIG, yaml.safe_dump(data, sort_keys=False))


def is_whole(path: Path) -> bool:
    """Return whether a file of weights is there and as long as its header says."""
    try:
        with safe_open(plain_file(path), "pt"):
            return True
    except Exception:  # FileNotFoundError, SafetensorError
        return False


def load_model(folder: str | Path, *, states: str | Path | None = None) -> FusedModel:
    """Return the model that `save_model` wrote, bit for bit, in evaluation mode.

    Args:
        folder: Folder of a saved model or of a run, or the name of a model that comes with the
            package. Of a run with several models the first is loaded.
        states: File of hidden states to read in place of the one that the model was trained on,
            for a model whose sequence branch is `states:FILE`.

    Raises:
        ConfigError: if `states` is not for this model, or it needs such a file and has none.
        CheckpointError: if the folder is no saved model, its weights do not fit its config, or
            the language model is not the one that it was saved with, or if a file is not what was
            saved.
        WeightsError: if the pretrained language model cannot be had here.
    """
    folder = _of_first_member(folder_of(folder))
    config, fingerprint = _read_config(folder)
    check_config(folder, config, fingerprint)
    config = _with_states(config, states)
    model = build_model(resolve(config))
    if model.recipe.fingerprint != fingerprint and config.sequence.name.startswith(STATES):
        raise CheckpointError(
            f"{folder} was trained on hidden states of another kind than those of "
            f"{config.sequence.name}: {model.recipe.weights.source if model.recipe.weights else ''}"
            ". Compute the states with the same language model and layer."
        )
    if model.recipe.fingerprint != fingerprint:
        raise CheckpointError(
            f"{folder} was saved with another language model: the weights of "
            f"{config.sequence.name} here have fingerprint {model.recipe.fingerprint!r}, the "
            f"saved one has {fingerprint!r}. Use the same weights, or build the model anew."
        )
    load_state(model, read_weights(folder), str(folder))
    check_file(folder / WEIGHTS)
    if model.recipe.random_plm:
        warnings.warn(f"{folder}: {RANDOM_WARNING}", RandomWeightsWarning, stacklevel=2)
    return model


def check_saved(folder: Path) -> None:
    """Check that a saved model's files are what was saved, without building it.

    Raises:
        CheckpointError: If they are not, or are missing.
    """
    check_config(folder, *_read_config(folder))
    check_file(folder / WEIGHTS)
    check_file(folder / CALIBRATION)


def _with_states(config: Config, states: str | Path | None) -> Config:
    """Return the config with another file of hidden states, if one is given."""
    name = config.sequence.name
    if states is None:
        if name.startswith(STATES) and not split_name(name)[0].exists():
            raise ConfigError(
                f"This model reads hidden states from a file, and {split_name(name)[0]} is not "
                "here. Give --states FILE, with the states of your proteins."
            )
        return config
    if not name.startswith(STATES):
        raise ConfigError(f"--states {states}: this model runs {name}, and reads no file.")
    path, layer = split_name(str(states))
    layer = layer or split_name(name)[1]
    given = f"{STATES}{path}" + (f"{LAYER}{layer}" if layer else "")
    return config.with_options({"sequence.name": given})


def _of_first_member(folder: Path) -> Path:
    """Return the folder of a run's first model, or the folder itself."""
    if (folder / CONFIG).exists() or not (folder / FACTS).exists():
        return folder
    return read_run(folder).members[0].folder


def own_state(model: FusedModel) -> dict[str, torch.Tensor]:
    """Return the weights that belong to the model: all but the language model's untrained ones."""
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    state = model.state_dict()
    return {k: v for k, v in state.items() if k in trained or not k.startswith(PLM_PREFIX)}


def load_state(model: FusedModel, state: dict[str, torch.Tensor], source: str) -> None:
    """Copy weights into a model; every name and shape must fit.

    Raises:
        CheckpointError: naming the first weights that do not, and the model as it was.
    """
    expected = own_state(model)
    problems = [f"{name} is missing" for name in expected if name not in state]
    problems += [f"{name} is unknown to the model" for name in state if name not in expected]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, the model {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(
            f"{source}: the weights do not fit the config: {'; '.join(problems[:3])}{more}. "
            f"Nothing was loaded; {CONFIG} and {WEIGHTS} must come from the same model."
        )
    model.load_state_dict(state, strict=False)


def _read_config(folder: Path) -> tuple[Config, str]:
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(
            f"{folder} is no saved model: it has no {CONFIG}. `python -m zoo.build --out DIR` "
            f"writes one.{hint(folder)}"
        )
    try:
        data: dict[str, Any] = read_yaml(text(path))
        fingerprint = str(data.pop(FINGERPRINT))
        return Config.from_dict(as_written(data)), fingerprint
    except (
        yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, ConfigError
    ) as error:  # fmt: skip
        raise CheckpointError(f"{path} is damaged: {error}") from error


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights in the folder of a saved model, by name; see `own_state`.

    Raises:
        CheckpointError: if there are none, or the file is damaged.
    """
    if not (folder / WEIGHTS).exists():
        raise CheckpointError(
            f"{folder} has a {CONFIG} and no {WEIGHTS}: saving, or training, has not ended. Go on "
            f"with `python -m zoo.train --resume --out {folder}`, or save the model again."
        )
    try:
        return load_file(plain_file(folder / WEIGHTS, whole=True))
    except Exception as error:  # safetensors has its own error; a missing file is an OSError
        raise CheckpointError(f"{folder / WEIGHTS} cannot be read: {error}") from error
