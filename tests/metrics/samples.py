"""Small samples and predictions, seeded."""

from __future__ import annotations

import numpy as np

from zoo.data.samples import Sample
from zoo.metrics.predictions import Predictions
from zoo.proteins.protein import Atoms, Chain, Ligand, Protein, no_atoms
from zoo.tasks import Kind, Level, Target

LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def sample(name: str, targets: dict[str, object], *, length: int = 8, heavy: int = 0, seed: int = 0,
           **more) -> Sample:  # fmt: skip
    """Return a sample with a random chain, and a ligand of `heavy` carbons and three hydrogens."""
    rng = np.random.default_rng(seed)
    coords = np.cumsum(rng.normal(0, 2.2, (length, 4, 3)), axis=0).astype(np.float32)
    chain = Chain(
        "A", "A", "".join(rng.choice(list(LETTERS), length)), coords,
        np.zeros(length, np.float32), tuple(map(str, range(length))),
    )  # fmt: skip
    element = np.array([6] * heavy + [1] * 3, np.uint8)
    n = len(element)
    atoms = Atoms(
        np.zeros((n, 3), np.float32), element, np.full(n, "X"), np.full(n, -1)
    )  # fmt: skip
    ligands = (Ligand("LIG", "A", "1", atoms),) if heavy else ()
    arrays = {key: np.asarray(value, np.float32) for key, value in targets.items()}
    return Sample(name, Protein(name, (chain,), no_atoms(), ligands), arrays, **more)


def predictions(
    kind: Kind, level: Level = "protein", *, n: int = 24, outputs: int = 1, noise: float = 1.0,
    seed: int = 0, per: int = 1, subsets: tuple[str, ...] = ("",), grouped: bool = False,
) -> Predictions:  # fmt: skip
    """Return predictions of n samples, `per` rows each; the truth does not depend on `noise`."""
    truth, rng = np.random.default_rng(1), np.random.default_rng(seed)
    rows = n * per
    which = np.repeat(np.arange(n), per)
    if kind == "regression":
        y = truth.normal(size=rows)
        pred = y + noise * rng.normal(size=rows)
    elif kind == "binary":
        y = (truth.random(rows) < 0.4).astype(float)
        pred = y + noise * rng.normal(size=rows)
    elif kind == "multiclass":
        y = truth.integers(0, outputs, rows).astype(float)
        pred = np.eye(outputs)[y.astype(int)] + noise * rng.normal(size=(rows, outputs))
    else:
        y = (truth.random((rows, outputs)) < 0.3).astype(float)
        pred = y + noise * rng.normal(size=y.shape)
    return Predictions(
        Target("y", kind, level, outputs),
        id=np.array([f"s{at}" for at in which]),
        group=np.array([f"g{at % 6}" if grouped else "" for at in which]),
        subset=np.array([subsets[at % len(subsets)] for at in which]),
        split=np.array(["validation" if at % 3 == 0 else "test" for at in which]),
        weight=np.ones(rows),
        residue=np.tile(np.arange(per), n) if level == "residue" else np.full(rows, -1),
        censored=np.zeros(rows, np.int64),
        y_true=y,
        y_pred=pred,
    )
