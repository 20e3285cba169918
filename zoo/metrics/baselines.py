"""The baselines (trivial predictors), registered by name in `BASELINES`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import Sample
from zoo.metrics.baseline import BASELINES, Baseline, baselines_for
from zoo.metrics.rows import Array
from zoo.proteins.protein import Protein
from zoo.tasks import Kind, Level, Target

__all__ = ["BASELINES", "Baseline", "Line", "baselines_for", "heavy_atoms", "neighbours"]

BURIAL_RADIUS = 10.0
HYDROGEN = 1


@dataclass
class _Mean(Baseline):
    value: Array = field(default_factory=lambda: np.zeros(0))

    def _fit(self, samples: Iterable[Sample]) -> None:
        total, seen = np.zeros(self._outputs), np.zeros(self._outputs)
        for sample in samples:
            y = self._columns(sample)
            total += np.nansum(y, axis=0)
            seen += (~np.isnan(y)).sum(axis=0)
        self.value = total / np.maximum(seen, 1)

    def _predict(self, sample: Sample) -> Array:
        return np.tile(self.value, (self._rows(sample), 1))


@BASELINES.register("mean")
class Mean(_Mean):
    """The mean of the training targets."""

    kinds = ("regression",)


@BASELINES.register("prior")
class Prior(_Mean):
    """How frequent each class or label is in training."""

    kinds = ("binary", "multiclass", "multilabel")


@BASELINES.register("majority")
class Majority(_Mean):
    """The most frequent class of training; for labels, each as more than half have it."""

    kinds = ("binary", "multiclass", "multilabel")

    def _predict(self, sample: Sample) -> Array:
        frequent = self.value > 0.5
        if self.target.kind == "multiclass":
            frequent = np.arange(self._outputs) == self.value.argmax()
        return np.tile(frequent.astype(np.float64), (self._rows(sample), 1))


@BASELINES.register("residue_propensity")
@dataclass
class ResiduePropensity(Baseline):
    """The mean training label of the residue's letter; of a new letter, that of all."""

    kinds = ("binary", "regression", "multiclass", "multilabel")
    levels = ("residue",)
    by_letter: dict[str, Array] = field(default_factory=dict)
    overall: Array = field(default_factory=lambda: np.zeros(0))

    def _fit(self, samples: Iterable[Sample]) -> None:
        total, seen = np.zeros((128, self._outputs)), np.zeros((128, self._outputs))
        for sample in samples:
            letters, y = _letters(sample.protein), self._columns(sample)
            np.add.at(total, letters, np.nan_to_num(y))
            np.add.at(seen, letters, ~np.isnan(y))
        self.overall = total.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        means = np.where(seen > 0, total / np.maximum(seen, 1), self.overall)
        self.by_letter = {chr(at): means[at] for at in np.flatnonzero(seen.any(axis=1))}

    def _predict(self, sample: Sample) -> Array:
        letters = (chr(code) for code in _letters(sample.protein))
        return np.array([self.by_letter.get(letter, self.overall) for letter in letters])


def _letters(protein: Protein) -> NDArray[np.uint8]:
    sequence = "".join(chain.sequence for chain in protein.chains)
    return np.frombuffer(sequence.encode("ascii"), np.uint8)


@BASELINES.register("burial")
@dataclass
class Burial(Baseline):
    """How many CA lie within 10 angstrom of the residue's; training says if many or few are more.

    The score has no scale and serves to rank residues. A residue without coordinates gets the mean.
    """

    kinds = ("binary", "regression")
    levels = ("residue",)
    sign: float = 1.0
    middle: float = 0.0

    @classmethod
    def serves(cls, target: Target) -> bool:
        """Return whether it can predict a target: of residues, with one output."""
        return super().serves(target) and target.outputs == 1

    def _fit(self, samples: Iterable[Sample]) -> None:
        parts = [np.column_stack([neighbours(s.protein), self._columns(s)]) for s in samples]
        table = np.concatenate(parts) if parts else np.zeros((0, 2))
        count, y = table[~np.isnan(table).any(axis=1)].T
        if len(count):
            self.middle = float(count.mean())
            self.sign = -1.0 if (count - self.middle) @ (y - y.mean()) < 0 else 1.0

    def _predict(self, sample: Sample) -> Array:
        count = neighbours(sample.protein)
        return self.sign * np.where(np.isnan(count), self.middle, count)[:, None]


def neighbours(protein: Protein, radius: float = BURIAL_RADIUS) -> Array:
    """Return (residues,) the number of other CA atoms within a radius in angstrom.

    It is NaN for residues without coordinates.
    """
    from scipy.spatial import cKDTree

    ca = np.concatenate([chain.coords[:, 1] for chain in protein.chains])
    there = np.isfinite(ca).all(axis=1)
    count = np.full(len(ca), np.nan)
    if there.any():
        tree = cKDTree(ca[there])
        count[there] = tree.query_ball_point(ca[there], radius, return_length=True) - 1
    return count


@dataclass
class Line(Baseline):
    """A straight line, fitted to one number that describes the protein.

    Where that number is unknown, NaN, the prediction is the line's at the mean of training.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("regression", "binary")
    levels: ClassVar[tuple[Level, ...]] = ("protein",)
    slope: Array = field(default_factory=lambda: np.zeros(0))
    intercept: Array = field(default_factory=lambda: np.zeros(0))
    largest: float = 0.0
    middle: float = 0.0

    @staticmethod
    @abstractmethod
    def _number(protein: Protein) -> float: ...

    def _fit(self, samples: Iterable[Sample]) -> None:
        pairs = [(self._number(s.protein), self._columns(s)) for s in samples]
        x = np.repeat([number for number, _ in pairs], [len(y) for _, y in pairs])
        y = np.concatenate([np.zeros((0, self._outputs)), *(y for _, y in pairs)])
        there = x[~np.isnan(x)]
        self.largest = float(there.max(initial=0.0))
        self.middle = float(there.mean()) if len(there) else 0.0
        lines = [_line(x, column) for column in y.T]
        self.slope, self.intercept = np.array(lines, np.float64).reshape(-1, 2).T

    def _predict(self, sample: Sample) -> Array:
        number = self._number(sample.protein)
        value = self.slope * (self.middle if np.isnan(number) else number) + self.intercept
        return np.tile(value, (self._rows(sample), 1))


def _line(x: Array, y: Array) -> Sequence[float]:
    """Return slope and intercept by least squares over known values; a constant x has slope 0."""
    known = ~np.isnan(y) & ~np.isnan(x)
    x, y = x[known], y[known]
    if not len(x):
        return 0.0, 0.0
    spread = (x - x.mean()) @ (x - x.mean())
    slope = float((x - x.mean()) @ (y - y.mean()) / spread) if spread > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


@BASELINES.register("ligand_size")
class LigandSize(Line):
    """A line in the number of heavy atoms of the ligands."""

    kinds = ("regression",)

    @property
    def possible(self) -> bool:
        """Whether a training sample has a ligand."""
        return self.largest > 0

    @staticmethod
    def _number(protein: Protein) -> float:
        return float(heavy_atoms(protein))


@BASELINES.register("chain_length")
class ChainLength(Line):
    """A line in the number of residues; all residues of a protein get the same value."""

    levels = ("residue", "protein")

    @staticmethod
    def _number(protein: Protein) -> float:
        return float(len(protein))


def heavy_atoms(protein: Protein) -> int:
    """Return the number of ligand atoms that are not hydrogen."""
    return sum(int((ligand.atoms.element != HYDROGEN).sum()) for ligand in protein.ligands)
