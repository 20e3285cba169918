"""What a data set gives: samples with targets, and what became of every label; no torch here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError, unknown
from zoo.proteins.protein import Protein
from zoo.registry import Registry

Kind = Literal["regression", "binary", "multiclass", "multilabel"]
Level = Literal["residue", "protein"]
SPLITS = ("train", "validation", "test")


class DataError(ZooError):
    """A data set that cannot be read: names what is missing and where it is to be had."""

    exit_code = 4


class DroppedSample(Exception):  # noqa: N818  an outcome, not a mistake
    """A sample that cannot be used; the reason goes into the report, never unseen."""


@dataclass(frozen=True)
class Target:
    """One thing to predict.

    Attributes:
        name: column in predictions and reports.
        kind: what its numbers mean; a multiclass target is the class's index.
        level: one a residue or one a protein.
        outputs: columns of a prediction (classes or labels; 1 for regression and binary).
        classes: their names, "" where they have none.
    """

    name: str
    kind: Kind
    level: Level
    outputs: int = 1
    classes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        """Return the target of plain values, as JSON and YAML keep it: a list for the classes."""
        return cls(**{**data, "classes": tuple(data["classes"])})


@dataclass(frozen=True)
class ChainMatch:
    """What became of the labels of one chain."""

    chain: str
    labelled: int = 0
    """Residues that the data set has a label for."""
    matched: int = 0
    """... that have coordinates here."""
    missing: int = 0
    """... that have none here: no node, not scored."""
    unlabelled: int = 0
    """Resolved residues without a label: ignored, not negative."""
    mutated: int = 0
    """Matched residues whose letter differs."""
    modified: int = 0
    """Modified residues, read as their parents."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Sample:
    """One example of a data set.

    Attributes:
        id: unique within the data set.
        protein: chains and ligands; targets of residues run over its chains end to end.
        targets: by name, float32; () or (outputs,) for a protein, (residues,) or (residues,
            outputs) for residues; NaN where unknown.
        split: one of `SPLITS`, or "" where the data set has none.
        subset: a named part of the split ("homology"), or "".
        group: what belongs together in metrics and bootstraps (a CASP target, a cluster), or "".
        weight: in metrics that are published with weights.
        censored: -1 if the true value is known only to be below the target, +1 above, 0 exact.
        matches: what became of the labels, a chain each.
    """

    id: str
    protein: Protein
    targets: Mapping[str, NDArray[np.float32]]
    split: str = ""
    subset: str = ""
    group: str = ""
    weight: float = 1.0
    censored: int = 0
    matches: tuple[ChainMatch, ...] = field(default=())


class Layout(ABC):
    """One way in which a benchmark lies on disk.

    A layout knows its samples' keys without reading a structure, and reads one at a time, so that
    reading can stop, go on, and stay within memory.
    """

    task: ClassVar[str]
    needs: ClassVar[str]
    """Which files a folder must hold, in a line."""
    source: ClassVar[str]
    """Where the data are officially to be had: a page or DOI."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    @abstractmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a folder is laid out like this; looks at names only."""

    @property
    @abstractmethod
    def targets(self) -> tuple[Target, ...]:
        """What is to be predicted."""

    @abstractmethod
    def keys(self) -> list[str]:
        """Return a unique key of every sample that the data set lists, in its order.

        Raises:
            DataError: if a label file is missing or damaged; names file and line.
        """

    @abstractmethod
    def read(self, key: str) -> Sample:
        """Return one sample.

        Raises:
            DroppedSample: if it cannot be used; says why.
        """

    @abstractmethod
    def inputs(self) -> Iterable[Path]:
        """Return every file that is read: when one changes, the data set is read anew."""


LAYOUTS: Registry[type[Layout]] = Registry("layout")


def find_layout(task: str, root: Path, name: str | None = None) -> Layout:
    """Return the layout of a folder, for a task.

    Raises:
        DataError: if the folder fits none; lists what each needs and where it is to be had.
        ConfigError: if there is no such task, or no layout of the name asked for.
    """
    import zoo.tasks.layouts  # noqa: F401  they are registered there

    of_task = {key: LAYOUTS[key] for key in LAYOUTS if LAYOUTS[key].task == task}
    if not of_task:
        raise unknown("task", task, {LAYOUTS[key].task for key in LAYOUTS})
    if name is not None:
        return LAYOUTS[f"{task}/{name}"](root)
    for cls in of_task.values():
        if root.is_dir() and cls.detect(root):
            return cls(root)
    lines = [f"  {key}: {cls.needs}\n    from {cls.source}" for key, cls in of_task.items()]
    state = "does not exist" if not root.exists() else f"is not laid out as data for {task!r}"
    raise DataError(f"{root} {state}. One of these is needed:\n" + "\n".join(lines))
