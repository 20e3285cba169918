"""What is computed of proteins, as columns: the features of a model, or its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from zoo.models.create import fingerprint
from zoo.models.headroom import Headroom
from zoo.prediction.attempts import attempted
from zoo.prediction.embedding import features_of, layer_index, names_of_each, of_each
from zoo.prediction.embedding_file import Settings
from zoo.prediction.ensemble import Ensemble
from zoo.prediction.estimating import Estimator
from zoo.prediction.inputs import Outcome
from zoo.prediction.many import describe
from zoo.prediction.table import RESIDUE, as_plain, cell, header, number_columns, rows
from zoo.proteins.protein import Protein
from zoo.settings.config import COMPLEX, Scope
from zoo.system.parquet_writer import Columns, Field

ID = Field("id", "string")


class Work(Protocol):
    """What is computed of proteins.

    Attributes:
        about: Everything that the numbers depend on beside the proteins; JSON values.
        columns: Columns that `compute` gives.
        units: Unit or meaning of the columns of numbers.
        scope: What the model takes for one protein.
        cuts: Whether each chain of a complex is a protein of its own.
        min_plddt: pLDDT below which residues of predicted structures are left out; None for none.
    """

    about: Mapping[str, Any]
    columns: Sequence[Field]
    units: Mapping[str, str]
    scope: Scope
    cuts: bool
    min_plddt: float | None

    def compute(
        self, proteins: Sequence[Protein], outcome: Outcome
    ) -> Iterator[tuple[Protein, Columns]]:
        """Yield the proteins of a batch with the columns of their rows; those that fail are noted.

        Args:
            proteins: Proteins of the batch.
            outcome: Counts to add failures to.
        """
        ...


class Embedding:
    """The features of a model.

    Args:
        headroom: Memory of the model.
        settings: Features to compute.

    Raises:
        ConfigError: If the model has no such layer.
    """

    cuts: bool = False

    def __init__(self, headroom: Headroom, settings: Settings) -> None:
        model = headroom.model
        self._headroom, self._settings = headroom, settings
        self.min_plddt = settings.min_plddt
        self.scope: Scope = model.recipe.config.scope or COMPLEX
        for layer in settings.layers:
            if layer != "fused":
                layer_index(model, layer)
        self.about: Mapping[str, Any] = {
            "verb": "embed", "config": model.recipe.config.to_dict(),
            "weights": fingerprint(model), "plm_fingerprint": model.recipe.fingerprint,
            "layers": list(settings.layers), "pool": settings.pool, "half": settings.half,
            "min_plddt": settings.min_plddt,
        }  # fmt: skip
        width = model.seq.width if model.seq is not None else 0
        first = Field("residues", "int32") if settings.pool else Field("residue", "string")
        self.columns: Sequence[Field] = (ID, first, *(
            Field(layer, "float16" if settings.half else "float32",
                  model.width if layer == "fused" else width)
            for layer in settings.layers
        ))  # fmt: skip
        self.units: Mapping[str, str] = dict.fromkeys(settings.layers, "activation, without a unit")

    def compute(
        self, proteins: Sequence[Protein], outcome: Outcome
    ) -> Iterator[tuple[Protein, Columns]]:
        """Yield the proteins of a batch with the columns of their rows; see `Work`."""
        layers, pool = self._settings.layers, self._settings.pool
        work = partial(features_of, self._headroom, layers=layers)
        for some, found in attempted(proteins, work, outcome):
            each = zip(some, of_each(found, pool), names_of_each(found), strict=True)
            for protein, tensors, names in each:
                rows = 1 if pool else len(names)
                first = {"residues": [len(names)]} if pool else {"residue": names}
                values = {layer: self._values(x) for layer, x in tensors.items()}
                yield protein, {"id": [protein.name] * rows, **first, **values}

    def _values(self, tensor: Tensor) -> Any:
        values = np.atleast_2d(tensor.float().cpu().numpy())
        return values.astype(np.float16 if self._settings.half else np.float32)


class Predicting:
    """The predictions of a run's models, with the columns of `predictions.csv`.

    Args:
        ensemble: Models that predict.
        min_plddt: pLDDT below which residues of predicted structures are left out; None for none.
    """

    def __init__(self, ensemble: Ensemble, min_plddt: float | None = None) -> None:
        self._ensemble, self.min_plddt = ensemble, min_plddt
        self.cuts, self.scope = ensemble.cuts, ensemble.scope
        self.about: Mapping[str, Any] = {
            "verb": "predict", **describe(ensemble, min_plddt),
            "thresholds": dict(ensemble.thresholds),
        }  # fmt: skip
        several, targets = len(ensemble.models) > 1, ensemble.targets
        numbers = {*number_columns(targets, several)}
        names = header(targets, several, ensemble.thresholds)
        by_residue = targets[0].level == "residue"
        self.columns: Sequence[Field] = tuple(
            Field(name, "int32" if by_residue and name == RESIDUE[1] else
                  "float32" if name in numbers else "string")
            for name in names
        )  # fmt: skip
        self.units: Mapping[str, str] = {
            target.name: "unit of the training data" if target.kind == "regression"
            else "probability" if target.kind == "binary" else "name of a class or label"
            for target in targets
        }  # fmt: skip

    def compute(
        self, proteins: Sequence[Protein], outcome: Outcome
    ) -> Iterator[tuple[Protein, Columns]]:
        """Yield the proteins of a batch with the columns of their rows; see `Work`."""
        targets, thresholds = self._ensemble.targets, self._ensemble.thresholds
        estimator = Estimator(self._ensemble, outcome)
        for protein, estimates in estimator.estimate(proteins):
            plain = as_plain(protein, estimates)
            found = list(rows(protein.name, plain, targets, thresholds))
            yield (
                protein,
                {
                    field.name: [cell(row.get(field.name)) for row in found]
                    for field in self.columns
                },
            )
