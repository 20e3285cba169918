"""A fused model as an estimator: structures in, a class or a number for each protein out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from zoo.errors import DataError
from zoo.prediction.ensemble import Ensemble
from zoo.prediction.estimating import Estimator, batched
from zoo.prediction.inputs import Outcome
from zoo.proteins.given import Given, given_proteins
from zoo.proteins.protein import Protein
from zoo.settings.config import Config
from zoo.sklearn.job import trained
from zoo.system.devices import choose_device
from zoo.system.listener import SILENT, Listener
from zoo.tasks import Target

LABEL = "label"


class _ZooEstimator(BaseEstimator):  # type: ignore[misc]  # has no types
    """What the classifier and the regressor share; `X` is a list of paths or proteins."""

    def __init__(
        self,
        *,
        seq: str = "plm_mini",
        struct: str = "gat",
        fusion: str | None = "local",
        epochs: int = 10,
        values: Mapping[str, Any] | None = None,
        random_state: int = 0,
        store: str | None = None,
        device: str = "auto",
        tokens: int = 4096,
        listener: Listener | None = None,
    ) -> None:
        self.seq = seq
        self.struct = struct
        self.fusion = fusion
        self.epochs = epochs
        self.values = values
        self.random_state = random_state
        self.store = store
        self.device = device
        self.tokens = tokens
        self.listener = listener

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True  # paths
        tags.no_validation = True
        return tags

    def _fit(self, X: Iterable[Given], labels: ArrayLike, target: Target) -> Self:  # noqa: N803
        options = {"sequence.name": self.seq, "structure.name": self.struct,
                   "fusion.name": self.fusion, "task": "table", "train.epochs": self.epochs,
                   "seed": self.random_state, "train.data_seed": self.random_state}  # fmt: skip
        config = Config().with_options(options).with_keys(self.values or {})
        self.ensemble_: Ensemble = trained(
            config, _named(X), np.asarray(labels, np.float32).tolist(), target,
            store=None if self.store is None else Path(self.store),
            device=choose_device(self.device), listener=self.listener or SILENT,
        )  # fmt: skip
        return self

    def _predicted(self, X: Iterable[Given]) -> NDArray[np.float64]:  # noqa: N803
        """Return (proteins,) values or probabilities, or (proteins, classes).

        Raises:
            DataError: If a protein cannot be predicted.
        """
        check_is_fitted(self)
        proteins, outcome = _named(X), Outcome()
        estimator, found = Estimator(self.ensemble_, outcome), {}
        for batch in batched(proteins, self.tokens):
            for protein, estimates in estimator.estimate(batch):
                found[protein.name] = estimates[LABEL].mean
        for reason in outcome.failed.values():
            raise DataError(reason)
        return np.array([found[protein.name] for protein in proteins], np.float64)


class ZooClassifier(ClassifierMixin, _ZooEstimator):  # type: ignore[misc]
    """A fused model that predicts the class of each protein.

    Examples:
        >>> model = ZooClassifier(fusion="global", epochs=10)
        >>> cross_val_score(model, paths, y)
        >>> GridSearchCV(model, {"fusion": ["local", "global"], "struct": ["gat", "gearnet"]})

    Args:
        seq: Name of the language model, "none" for a graph network alone.
        struct: Name of the graph network, "none" for a language model alone.
        fusion: Name of the fusion; None for "serial" between two branches, "none" with one.
        epochs: Largest number of epochs.
        values: Further config keys, {"structure.args.num_layers": 2, "fusion.write_back": "side"}.
        random_state: Seed of the weights, of the order of the examples, and of the proteins that
            are held out: a tenth, on which the best epoch is chosen and probabilities calibrated.
        store: Folder of a store of graphs and hidden states; by default they are computed anew at
            each fit, and nothing is kept. With a large language model, a store saves most of the
            time of a search.
        device: Device to train and predict on; "auto" is the best one available.
        tokens: Maximum number of tokens in a batch of a prediction, padding included.
        listener: Receives the progress.

    Attributes:
        classes_: (classes,) the labels, sorted.
        ensemble_: The trained model and its calibration.
    """

    def fit(self, X: Iterable[Given], y: ArrayLike) -> Self:  # noqa: N803
        """Train on structures, each a path or a `Protein`, and a label for each.

        Raises:
            ValueError: If there are fewer than two classes, or not as many labels as structures.
            ConfigError: For a wrong config, or an input that is neither a path nor a protein.
            StructureError: If a file cannot be read.
            DataError: If there are fewer than two different proteins.
            WeightsError: If the weights of the language model cannot be had here.
        """
        X = _listed(X)  # noqa: N806
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_.tolist()}; a classifier needs two")
        names = tuple(map(str, self.classes_))
        several = Target(LABEL, "multiclass", "protein", len(names), names)
        target = several if len(names) > 2 else Target(LABEL, "binary", "protein")
        return self._fit(X, numbers, target)

    def predict_proba(self, X: Iterable[Given]) -> NDArray[np.float64]:  # noqa: N803
        """Return (proteins, classes) probabilities, calibrated.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If a protein cannot be predicted.
        """
        found = self._predicted(X)
        return np.stack([1 - found, found], axis=1) if found.ndim == 1 else found

    def predict(self, X: Iterable[Given]) -> NDArray[Any]:  # noqa: N803
        """Return (proteins,) the most likely class of each.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If a protein cannot be predicted.
        """
        chosen = self.predict_proba(X).argmax(axis=1)
        return self.classes_[chosen]


class ZooRegressor(RegressorMixin, _ZooEstimator):  # type: ignore[misc]
    """A fused model that predicts a number for each protein.

    The arguments are those of `ZooClassifier`.
    """

    def fit(self, X: Iterable[Given], y: ArrayLike) -> Self:  # noqa: N803
        """Train on structures, each a path or a `Protein`, and a number for each.

        Raises:
            ValueError: If there are not as many numbers as structures, or one is not finite.
            ConfigError: For a wrong config, or an input that is neither a path nor a protein.
            StructureError: If a file cannot be read.
            DataError: If there are fewer than two different proteins.
            WeightsError: If the weights of the language model cannot be had here.
        """
        X = _listed(X)  # noqa: N806
        y = np.asarray(column_or_1d(y, warn=True), np.float64)
        check_consistent_length(X, y)
        if not np.isfinite(y).all():
            raise ValueError("y holds NaN or infinity; leave these structures out")
        return self._fit(X, y, Target(LABEL, "regression", "protein"))

    def predict(self, X: Iterable[Given]) -> NDArray[np.float64]:  # noqa: N803
        """Return (proteins,) the number of each.

        Raises:
            NotFittedError: Before `fit`.
            DataError: If a protein cannot be predicted.
        """
        return self._predicted(X)


def _listed(X: Iterable[Given]) -> list[Given]:  # noqa: N803
    """Return the structures as a list; one alone is a list of one."""
    return [X] if isinstance(X, str | os.PathLike | Protein) else list(X)


def _named(X: Iterable[Given]) -> list[Protein]:  # noqa: N803
    """Return a protein for each structure, named by its number, as one may occur twice.

    Raises:
        DataError: If a file holds several sequences.
    """
    found = []
    for number, one in enumerate(_listed(X)):
        proteins = given_proteins(one)
        if len(proteins) != 1:
            raise DataError(
                f"{one} holds {len(proteins)} sequences, and a label is for one. Give the "
                "proteins themselves: list(zoo.read_proteins(path))."
            )
        found.append(dataclasses.replace(proteins[0], name=f"{number:06}"))
    return found
