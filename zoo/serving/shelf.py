"""The models that the page offers: each is loaded when it is first asked for, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from zoo.errors import unknown
from zoo.models.blueprint import written_targets
from zoo.models.checkpoint import CONFIG
from zoo.models.runs import trained
from zoo.models.summary import RANDOM_WARNING
from zoo.prediction.ensemble import Ensemble, load_ensemble
from zoo.pretrained import folder_of, task_models, warning
from zoo.settings.config import CHAIN, load_config

FIRST = "ppbs"
"""The shipped model that the page begins with: most people ask which residues bind a protein."""


class Shelf:
    """Models by the names that the page shows; the page begins with the first one.

    Args:
        names: Folders of runs or saved models, or names. Those of the package come after them:
            the one of binding sites, then the others by the alphabet.
        device: Device to load models on; "auto" is the best one available.

    Attributes:
        names: What there is to choose from.

    Raises:
        CheckpointError: If one is no trained model.
    """

    def __init__(self, names: Sequence[str] = (), device: str = "auto") -> None:
        self.names = tuple(dict.fromkeys([*names, FIRST, *task_models()]))
        self._device, self._lock = device, Lock()
        self._kept: dict[str, Ensemble] = {}
        for name in names:
            trained(folder_of(name))

    def __getitem__(self, name: str) -> Ensemble:
        """Return a model, loaded once.

        Raises:
            ConfigError: If it is not among the names.
            ZooError: If it cannot be loaded.
        """
        self._check(name)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = load_ensemble(name, self._device)
            return self._kept[name]

    def about(self, name: str) -> str:
        """Return sentences on what a model predicts, without loading it."""
        targets, members = trained(self._folder(name))
        config = load_config(members[0].folder / CONFIG)
        shown = targets or written_targets(config)
        what = ", ".join(target.name for target in shown)
        level = f" for each {shown[0].level}" if shown else ""
        learned = "single chains" if config.scope == CHAIN else "whole structures"
        return f"It predicts {what}{level}; it learned {learned}."

    def warnings(self, name: str) -> list[str]:
        """Return what must be known of a model before its predictions are read.

        That its language model has random weights is known once it is loaded.
        """
        random = name in self._kept and self._kept[name].random_plm
        return [line for line in (warning(self._folder(name)), RANDOM_WARNING * random) if line]

    def _folder(self, name: str) -> Path:
        self._check(name)
        return folder_of(name)

    def _check(self, name: str) -> None:
        """Refuse what the page does not offer, as a browser could send any path."""
        if name not in self.names:
            raise unknown("model", name, self.names)
