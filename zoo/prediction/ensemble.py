"""Predict with all models of a run: the mean of their predictions and its standard deviation."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from zoo.backbones.compiling import compile_layers
from zoo.errors import CheckpointError, RandomWeightsWarning
from zoo.models.blueprint import written_targets
from zoo.models.checkpoint import CONFIG, load_model
from zoo.models.inference import Hidden, Shared, predict_logits
from zoo.models.model import FusedModel
from zoo.models.outputs import Array, activate, columns
from zoo.models.runs import CALIBRATION, FACTS, Member, trained
from zoo.models.thresholds import read_thresholds
from zoo.prediction.scope import checked_scope
from zoo.pretrained import folder_of
from zoo.proteins.batch import Batch
from zoo.proteins.complexes import Parts
from zoo.proteins.protein import Protein
from zoo.settings.config import CHAIN, COMPLEX, Scope
from zoo.system.devices import choose_device
from zoo.tasks import Target


@dataclass(frozen=True)
class Estimate:
    """The prediction of one target for one protein; NaN for residues without a node.

    Attributes:
        mean: value or probability, () for a protein or (residues,); if there are several classes
            or labels, they are one more axis at the end.
        std: standard deviation over the members, of the same shape; None for a single model.
    """

    mean: Array
    std: Array | None


@dataclass(frozen=True)
class Ensemble:
    """The models of a run, each with the temperatures of its targets.

    Attributes:
        targets: targets that the models predict, in the order of their heads' columns.
        members: members of the run: folder, name, fold and seed of each model.
        models: model of each member.
        temperatures: temperatures of each member by target; 1 for targets without one.
        device: device that the models are on.
        thresholds: probability from which each binary target counts as positive, as validation
            chose it; without targets of which none is known.
    """

    targets: tuple[Target, ...]
    members: tuple[Member, ...]
    models: tuple[FusedModel, ...]
    temperatures: tuple[Mapping[str, float], ...]
    device: str
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """What the models take for one protein; those that do not say it take all chains."""
        return self.models[0].recipe.config.scope or COMPLEX

    @property
    def by_residue(self) -> bool:
        """Whether the models predict for each residue, so that chains can be joined again."""
        return self.targets[0].level == "residue"

    @property
    def cuts(self) -> bool:
        """Whether each chain of a complex is to be a protein of its own; see `predict`."""
        return self.scope == CHAIN and not self.by_residue

    @property
    def random_plm(self) -> bool:
        """Whether a language model has random weights, so that the predictions mean nothing."""
        return any(model.recipe.random_plm for model in self.models)

    def predict(self, proteins: Sequence[Protein]) -> list[dict[str, Estimate]]:
        """Return the estimates of each protein by target, run as one batch.

        Each chain is run alone if the models take single chains and predict for residues. What
        they predict for a protein cannot be joined: cut such proteins with `chains_of`.

        The mean is over values or probabilities, after each member's temperature; the standard
        deviation is that of the members, without a correction (Lakshminarayanan et al.,
        arXiv:1612.01474).
        """
        parts = self.parts(proteins)
        taps, shared = _Taps(self.device), Shared(parts.proteins)
        logits = [
            predict_logits(model, parts.proteins, self.device, taps.of(model), shared.of(model))
            for model in self.models
        ]
        joined = [parts.joined(one) for one in logits]
        return [self._estimates(each) for each in zip(*joined, strict=True)]

    def parts(self, proteins: Sequence[Protein]) -> Parts:
        """Return the proteins as the models take them; see `predict`."""
        return Parts(proteins, self.scope if self.by_residue else COMPLEX)

    def _estimates(self, logits: Sequence[Array]) -> dict[str, Estimate]:
        """Return the estimates of one protein, from each member's logits."""
        found = {}
        for target, where in zip(self.targets, columns(self.targets).values(), strict=True):
            values = np.stack([
                activate(target, own[..., where], temperatures.get(target.name, 1.0))
                for own, temperatures in zip(logits, self.temperatures, strict=True)
            ])  # fmt: skip
            std = values.std(axis=0) if len(values) > 1 else None
            found[target.name] = Estimate(values.mean(axis=0), std)
        return found


class _Taps:
    """Runs a frozen language model that members share once per batch for all of them."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.known: dict[object, Mapping[int, Tensor]] = {}

    def of(self, model: FusedModel) -> Hidden | None:
        if not model.taps:
            return None
        key = (id(model.seq), model.taps, model.side is None, model.graph_spec)

        def states(_: Sequence[Protein], batch: Batch) -> Mapping[int, Tensor]:
            if key not in self.known:
                self.known[key] = model.tap(batch.to(self.device))
            return self.known[key]

        return states


def load_ensemble(
    folder: str | Path,
    device: str = "cpu",
    states: str | None = None,
    scope: str | None = None,
    *,
    compile: bool = False,
) -> Ensemble:
    """Return all models of a run's folder, or the one model of a saved model's folder.

    Members with the same frozen language model share it in memory.

    Args:
        folder: Folder of a run or saved model, or name of a shipped model.
        device: Device to load the models on; "auto" is the best one available.
        states: File of hidden states to read, see `load_model`.
        scope: "chain" or "complex", what the models are to take for one protein; None for what they
            were trained on.
        compile: Whether to compile the graph networks' layers, at their first run; see
            docs/howto/predict.md.

    Raises:
        ConfigError: if there is no such device or scope, or nothing to compile with.
        CheckpointError: if the folder is neither, or a model has no head or was never trained.
        WeightsError: if the weights of the pretrained language model cannot be found.
    """
    device, taken = choose_device(device), checked_scope(scope)
    targets, members = trained(folder_of(folder))
    models: list[FusedModel] = []
    for member in members:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RandomWeightsWarning)  # the caller prints it in red
            model = within(load_model(member.folder, states=states), taken)
        _check_head(model, member, targets)
        if compile:
            compile_layers(model.struct, device)
        _share(model, models)
        models.append(model.to(device))
    targets = targets or written_targets(models[0].recipe.config)
    temperatures = tuple(_temperatures(member, targets) for member in members)
    thresholds = read_thresholds(folder_of(folder), members)
    return Ensemble(targets, members, tuple(models), temperatures, device, thresholds)


def in_scope(ensemble: Ensemble, scope: Scope | None) -> Ensemble:
    """Return the ensemble with that scope, with the same weights; None is that of the training.

    The ensemble that is given stays as it is.
    """
    if scope is None:
        return ensemble
    models = tuple(within(copy.copy(model), scope) for model in ensemble.models)
    return dataclasses.replace(ensemble, models=models)


def within(model: FusedModel, scope: Scope | None) -> FusedModel:
    """Let the model take that scope for one protein, and return it; None changes nothing."""
    if scope is not None:
        config = dataclasses.replace(model.recipe.config, scope=scope)
        model.recipe = dataclasses.replace(model.recipe, config=config)
    return model


def _temperatures(member: Member, targets: Sequence[Target]) -> dict[str, float]:
    """Return a member's temperatures, after checking that they are those of its targets."""
    found = member.temperatures()
    path = member.folder / CALIBRATION
    lacking = [t.name for t in targets if t.kind != "regression" and t.name not in found]
    if path.exists() and lacking:
        raise CheckpointError(
            f"{path} has no temperature of {', '.join(lacking)}, so it is damaged or of another "
            "model. Copy the model's folder again."
        )
    return found


def _check_head(model: FusedModel, member: Member, targets: tuple[Target, ...]) -> None:
    if model.recipe.config.task is None:
        raise CheckpointError(
            f"{member.folder} has no head, so it predicts nothing. `python -m zoo.embed` writes "
            "its features; `python -m zoo.train` trains a model with a head."
        )
    own = written_targets(model.recipe.config)
    if not own:
        raise CheckpointError(
            f"{member.folder} has a head for {model.recipe.config.task!r} whose weights are "
            f"random: it was built but never trained, as its {CONFIG} names no targets. Train "
            "it with `python -m zoo.train`."
        )
    if targets and own != targets:
        raise CheckpointError(
            f"{member.folder} predicts {', '.join(t.name for t in own)}, and {FACTS} says "
            f"{', '.join(t.name for t in targets)}, or other classes: they are of different runs. "
            "Give --model the member's own folder, or train the run again."
        )


def _share(model: FusedModel, others: Sequence[FusedModel]) -> None:
    """Let a model use the language model object of another one that has the same frozen one."""
    mine = model.recipe
    for other in others:
        same = (
            mine.fingerprint == other.recipe.fingerprint
            and mine.config.sequence == other.recipe.config.sequence
        )
        if same and mine.config.sequence.tuning == "frozen":
            model.seq = other.seq
            return
