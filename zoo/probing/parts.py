"""What is probed: anything that gives an array (residues, columns) for each protein.

The layers of a language model, those of a graph network, named feature sets and plain letters are
all a `Part`, and what knows how to compute some parts is a `Source`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.data.samples import Sample
from zoo.metrics.window import one_hot, one_hot_window
from zoo.system.listener import Listener
from zoo.tasks import Level

Array = NDArray[np.float32]
Samples = Callable[[str], Sample]
"""Returns the sample of a key."""
Rows = Callable[[str, Sample], Array]
"""Gets the key of a sample and the sample; returns (residues, columns), NaN where unknown."""
Fill = Callable[[Samples, Sequence[str], Listener], None]
"""Computes and stores what the parts will read for the samples of some keys."""


@dataclass(frozen=True)
class Part:
    """One thing that a linear map reads.

    Attributes:
        source: Name of what computes it: "plm_mini", "mpnn", "features", "letters".
        name: Name among the parts of its source: "layer 3", "surface", "window".
        rows: Returns its rows of a sample.
        layer: Number of its layer, from 1; None for what is no layer.
    """

    source: str
    name: str
    rows: Rows
    layer: int | None = None

    @property
    def title(self) -> str:
        """Its name by itself, as "plm_mini layer 3"."""
        return self.name if self.source == LETTERS else f"{self.source} {self.name}"


@dataclass(frozen=True)
class Source:
    """Some parts that are computed together.

    Attributes:
        name: That of its parts' `source`.
        parts: Its parts; layers in their order.
        fill: Computes what the parts read, unless it is stored already.
        of_structure: Whether it says nothing of residues without coordinates.
    """

    name: str
    parts: tuple[Part, ...]
    fill: Fill
    of_structure: bool = False


LETTERS = "letters"
RANDOM = "random"
"""What the name of a source with random weights ends in."""
STOPPED = "stopped; what is in the store stays, and the same command continues"


def letters(level: Level) -> Source:
    """Return the baselines: one-hot letters, and for residues those of the 15 around each.

    The mean of one-hot letters over a protein is its composition, and has that name.
    """
    alone = "one-hot" if level == "residue" else "composition"
    parts = [Part(LETTERS, alone, lambda key, sample: one_hot(sample.protein))]
    if level == "residue":
        parts.append(Part(LETTERS, "window", lambda key, sample: one_hot_window(sample.protein)))
    return Source(LETTERS, tuple(parts), nothing)


def nothing(samples: Samples, keys: Sequence[str], listener: Listener) -> None:
    """Compute nothing ahead: such parts are quick to compute."""
