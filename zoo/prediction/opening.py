"""Open a model for its features: a saved one, one of a config, or a language model alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

from zoo.errors import ConfigError, RandomWeightsWarning
from zoo.models.checkpoint import load_model
from zoo.models.create import create_model
from zoo.models.model import FusedModel
from zoo.models.runs import read_run
from zoo.pretrained import CONFIG, RUN, folder_of
from zoo.settings.config import is_config


def open_model(
    name: str | os.PathLike[str],
    weights: str | None = None,
    states: str | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> FusedModel:
    """Return the model of a name, without a warning on random weights.

    Args:
        name: Folder of a run or saved model, name of a shipped model, config or language model, or
            YAML file of a config.
        weights: For a config or language model: "pretrained" or "random" weights.
        states: File of hidden states, for a saved model that reads one.
        note: Called with a line on a run of several models, whose first is opened.

    Raises:
        ConfigError: If the name is unknown, or an option is not for this kind of model.
        CheckpointError: If a saved model does not fit its config.
        WeightsError: If the weights of the language model cannot be had here.
    """
    name = os.fspath(name)
    folder = folder_of(name)
    if any((folder / file).exists() for file in (CONFIG, RUN)):
        if weights is not None:
            raise ConfigError("--weights is not for a saved model, which has weights of its own.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RandomWeightsWarning)  # the caller tells it
            model = load_model(name, states=states)
        count = 1 if (folder / CONFIG).exists() else len(read_run(folder).members)
        if count > 1:
            note(f"{name} has {count} models: the features are those of the first")
        return model
    if states is not None:
        raise ConfigError("--states is for a saved model that was trained on a file of states.")
    if is_config(name):
        return create_model(name, weights=weights)  # type: ignore[arg-type]
    return create_model(name, "none", weights=weights)  # type: ignore[arg-type]
