"""The rows that a linear map is fitted on or scored on: residues or proteins with a known target.

Every part is read at the same rows, so that their scores can be compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import Sample
from zoo.metrics.columns import known_rows
from zoo.metrics.predictions import Predictions, from_samples
from zoo.probing.parts import Array, Part, Samples
from zoo.tasks import Target

Index = NDArray[np.int64]
UNKNOWN = "its target is not known"
UNRESOLVED = "it has no coordinates, which a part needs"
BOUND = "its value is only a bound"
UNDRAWN = "none of its rows was drawn to fit on (--rows)"


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of some samples.

    Attributes:
        keys: Keys of the samples that have rows.
        residues: The residues of each sample that are read: for a target of residues each is a row,
            for one of proteins their mean is the only row.
        truth: The rows' true values and units; predictions are 0.
        left_out: Reason by the key of each sample without rows.
    """

    keys: tuple[str, ...]
    residues: tuple[Index, ...]
    truth: Predictions
    left_out: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def target(self) -> Target:
        """What is predicted."""
        return self.truth.target

    def inputs(self, part: Part, samples: Samples) -> Array:
        """Return (rows, columns) of a part."""
        found = []
        for key, residues in zip(self.keys, self.residues, strict=True):
            rows = part.rows(key, samples(key))[residues]
            found.append(rows if self.target.level == "residue" else _mean(rows))
        return np.concatenate(found)

    def drawn(self, count: int, seed: int) -> Table:
        """Return the table with so many of its rows, drawn at random and kept in their order."""
        if len(self) <= count:
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        sizes = [len(x) if self.target.level == "residue" else 1 for x in self.residues]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        keys, residues, left_out = [], [], dict(self.left_out)
        for at, (key, own) in enumerate(zip(self.keys, self.residues, strict=True)):
            mine = rows[np.searchsorted(rows, starts[at]) : np.searchsorted(rows, starts[at + 1])]
            if not len(mine):
                left_out[key] = UNDRAWN
                continue
            keys.append(key)
            residues.append(own[mine - starts[at]] if self.target.level == "residue" else own)
        return Table(tuple(keys), tuple(residues), self.truth.take(rows), left_out)


def _mean(rows: Array) -> Array:
    """Return (1, columns) the mean of the rows that a part knows."""
    mean = np.nanmean(rows, axis=0, keepdims=True, dtype=np.float64)
    return np.asarray(mean, np.float32)


def table(
    target: Target, samples: Samples, keys: Sequence[str], kin: Mapping[str, str],
    of_structure: bool,
) -> Table:  # fmt: skip
    """Return the rows of some samples whose values are measured and not bounds.

    Args:
        target: What is predicted.
        samples: Returns the sample of a key.
        keys: Keys of the samples.
        kin: Kin of each sample by its id, which intervals draw together.
        of_structure: Whether only residues with coordinates count.
    """
    kept, residues, masked, left_out = [], [], [], {}
    for key in keys:
        sample = samples(key)
        there = sample.protein.nodes if of_structure else np.ones(len(sample.protein), np.bool_)
        y = np.asarray(sample.targets[target.name], np.float64)
        known = ~np.isnan(y).reshape(len(y) if target.level == "residue" else 1, -1).all(axis=1)
        chosen = np.flatnonzero(there & known if target.level == "residue" else there)
        if sample.censored or not known.any() or not len(chosen):
            left_out[key] = BOUND if sample.censored else UNRESOLVED if known.any() else UNKNOWN
            continue
        kept.append(key)
        residues.append(chosen)
        masked.append(_without(sample, target, chosen))
    if not kept:
        return Table((), (), _empty(target), left_out)
    outputs = (np.zeros(_shape(target, sample)) for sample in masked)
    truth = from_samples(target, masked, outputs)
    truth = truth.take(known_rows(truth)).with_kin(kin)
    return Table(tuple(kept), tuple(residues), truth, left_out)


def _without(sample: Sample, target: Target, chosen: Index) -> Sample:
    """Return a sample whose targets are known at the chosen residues only."""
    values = np.asarray(sample.targets[target.name], np.float32)
    if target.level == "residue":
        only = np.full_like(values, np.nan)
        only[chosen] = values[chosen]
        values = only
    return dataclasses.replace(sample, targets={target.name: values})


def _shape(target: Target, sample: Sample) -> tuple[int, ...]:
    rows = (len(sample.protein),) if target.level == "residue" else ()
    return rows + ((target.outputs,) if target.outputs > 1 else ())


def _empty(target: Target) -> Predictions:
    words: dict[str, NDArray[Any]] = {
        name: np.zeros(0, np.str_) for name in ("id", "group", "subset", "split")
    }
    none = np.zeros(0)
    return Predictions(
        target, **words, weight=none, residue=none.astype(np.int64),
        censored=none.astype(np.int64), y_true=none, y_pred=none,
    )  # fmt: skip
