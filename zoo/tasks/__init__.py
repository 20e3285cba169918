"""The tasks: what a model predicts, and in which layouts the data of each benchmark come.

To add a task, add an entry here and a module that reads its data. Nothing in this package reads a
file: the modules in `zoo.data.layouts` that a task names do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo.settings.registry import Registry

__all__ = ["HEADLINE", "TASKS", "Kind", "Level", "Target", "Task"]

Kind = Literal["regression", "binary", "multiclass", "multilabel"]
Level = Literal["residue", "protein"]
HEADLINE: Mapping[Kind, str] = {
    "binary": "average_precision", "multiclass": "accuracy", "multilabel": "fmax",
    "regression": "rmse",
}  # fmt: skip
"""The metric by which a target of each kind is judged first."""


@dataclass(frozen=True)
class Target:
    """One quantity to predict.

    Attributes:
        name: Name of the target in predictions and reports.
        kind: Meaning of the numbers; the value of a multiclass target is the index of the class.
        level: Whether there is one prediction for each residue or one for each protein.
        outputs: Number of values in a prediction: the number of classes or labels; 1 for
            regression and binary targets.
        classes: Names of the classes or labels; empty if they have none.
    """

    name: str
    kind: Kind
    level: Level
    outputs: int = 1
    classes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        """Return the target from the plain values of JSON or YAML, where `classes` is a list."""
        return cls(**{**data, "classes": tuple(data["classes"])})


@dataclass(frozen=True)
class Task:
    """One benchmark task.

    Attributes:
        title: Short description in summaries and model cards.
        target: What is predicted. The data may replace it, for example to name the classes.
        ligands: Whether ligand atoms are nodes of the graph.
        open: Whether the data alone say what is predicted, of residues or of proteins, with any
            number of outputs; the target is an example then.
        layouts: Ways in which the data of the benchmark may lie on disk: the name of each layout,
            and the module that registers it as "task/name" in `zoo.data.layouts.LAYOUTS`.
    """

    title: str
    target: Target
    ligands: bool = False
    open: bool = False
    layouts: Mapping[str, str] = field(default_factory=dict)


TASKS: Registry[Task] = Registry("task")
_HOME = "zoo.data.layouts"

TASKS.register("react")(
    Task(
        "enzyme reaction class (384 classes)",
        Target("ec_class", "multiclass", "protein", 384),
        layouts={
            "cdconv": f"{_HOME}.cdconv", "folder": f"{_HOME}.react", "ieconv": f"{_HOME}.react",
        },
    )
)  # fmt: skip
TASKS.register("ec")(
    Task(
        "enzyme classes, multi-label (538 EC numbers)",
        Target("ec", "multilabel", "protein", 538),
        layouts={"deepfri": f"{_HOME}.ec"},
    )
)
TASKS.register("mqa")(
    Task(
        "model quality (GDT-TS)",
        Target("gdt_ts", "regression", "protein"),
        layouts={"atom3d": f"{_HOME}.mqa", "folder": f"{_HOME}.mqa", "table": f"{_HOME}.mqa"},
    )
)
TASKS.register("lba")(
    Task(
        "ligand binding affinity (-log10 K)",
        Target("pk", "regression", "protein"),
        ligands=True,
        layouts={"atom3d": f"{_HOME}.lba", "pdbbind": f"{_HOME}.pdbbind", "table": f"{_HOME}.lba"},
    )
)
TASKS.register("ppbs")(
    Task(
        "protein binding site",
        Target("binding_site", "binary", "residue"),
        layouts={"scannet": f"{_HOME}.ppbs"},
    )
)
TASKS.register("bce")(
    Task(
        "B-cell epitope",
        Target("epitope", "binary", "residue"),
        layouts={"scannet": f"{_HOME}.bce"},
    )
)
TASKS.register("table")(
    Task(
        "your own labels",
        Target("label", "regression", "protein"),
        open=True,
        layouts={"csv": f"{_HOME}.table"},
    )
)
