"""What a task asks of a model: predictions of what, at which level, on which graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zoo.registry import Registry


@dataclass(frozen=True)
class Task:
    """One benchmark's question.

    Attributes:
        title: for summaries and model cards.
        level: one prediction a residue, or one a protein.
        outputs: columns of a prediction.
        ligands: whether ligand atoms are part of the graph.
    """

    title: str
    level: Literal["residue", "protein"]
    outputs: int
    ligands: bool = False


TASKS: Registry[Task] = Registry("task")
TASKS.register("react")(Task("enzyme reaction class (384 classes)", "protein", 384))
TASKS.register("ec")(Task("enzyme classes, multi-label (538 EC numbers)", "protein", 538))
TASKS.register("mqa")(Task("model quality (GDT-TS)", "protein", 1))
TASKS.register("lba")(Task("ligand binding affinity (-log10 K)", "protein", 1, ligands=True))
TASKS.register("ppbs")(Task("protein binding site", "residue", 1))
TASKS.register("bce")(Task("B-cell epitope", "residue", 1))
TASKS.register("table")(Task("your own labels", "protein", 1))
