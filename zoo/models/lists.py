"""Names that can be given, for Python: configs, trained models, backbones, fusions, tasks."""

from __future__ import annotations

import fnmatch
from typing import Literal, overload

from zoo.backbones import STRUCTURE_BACKBONES
from zoo.backbones.plm import names
from zoo.errors import unknown
from zoo.fusion import FUSIONS
from zoo.models.trained import TrainedModel, TrainedModels
from zoo.pretrained import task_models
from zoo.settings.config import config_names
from zoo.tasks import TASKS


@overload
def list_models(pattern: str = "*", *, pretrained: Literal[True]) -> TrainedModels: ...


@overload
def list_models(pattern: str = "*", *, pretrained: Literal[False] = False) -> list[str]: ...


def list_models(pattern: str = "*", *, pretrained: bool = False) -> TrainedModels | list[str]:
    """Return the names of the shipped configs that match a wildcard.

    With `pretrained`, return the names of the trained models that come with the package;
    `load_model` and `zoo predict --model` take these. They print as a table, and each name has its
    facts as attributes.

    Examples:
        >>> models = list_models(pretrained=True)  # prints as a table of tasks and scores
        >>> "ppbs" in models, models[-1].task, models[-1].score.value > 0.3
        (True, 'ppbs', True)
    """
    if pretrained:
        return TrainedModels(
            TrainedModel.of(name) for name in fnmatch.filter(task_models(), pattern)
        )
    return fnmatch.filter(config_names(), pattern)


def list_backbones(kind: Literal["sequence", "structure"]) -> list[str]:
    """Return the names of the language models, or of the graph networks."""
    if kind == "sequence":
        return names()
    if kind == "structure":
        return list(STRUCTURE_BACKBONES)
    raise unknown("kind of backbone", kind, ("sequence", "structure"))


def list_fusions() -> list[str]:
    """Return the names of the fusions."""
    return list(FUSIONS)


def list_tasks() -> list[str]:
    """Return the names of the tasks."""
    return list(TASKS)
