"""BCE, B-cell epitopes: the layout of ScanNet, in five folds."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from zoo.tasks.samples import LAYOUTS, Target
from zoo.tasks.scannet import ScanNetLayout, label_files

FOLDS = ("fold1", "fold2", "fold3", "fold4", "fold5")


class Fold(NamedTuple):
    """The subsets that take part in one round of the cross-validation."""

    train: tuple[str, ...]
    validation: str
    test: str


def folds(present: Collection[str] = FOLDS) -> list[Fold]:
    """Return one round for each fold that is there, its validation apart from its test fold.

    Fold k is tested with fold k % 5 + 1 for validation, the next one where that is missing.

    Raises:
        ValueError: if there are fewer than three folds: one each to train, validate and test.
    """
    names = [name for name in FOLDS if name in present]
    if len(names) < 3:
        raise ValueError(f"three folds are needed at least, there are {len(names)}: {names}")
    rounds = []
    for at, test in enumerate(names):
        validation = names[(at + 1) % len(names)]
        train = tuple(name for name in names if name not in (test, validation))
        rounds.append(Fold(train, validation, test))
    return rounds


@LAYOUTS.register("bce/scannet")
class BceScanNet(ScanNetLayout):
    """Antigens in the asymmetric unit; the subset is the fold, and no split is given."""

    task = "bce"
    needs = (
        "labels_fold1.txt .. labels_fold5.txt, optionally table.csv, and structures/ with the "
        "asymmetric unit of each PDB entry (6z3p.cif.gz) or a file for each id (6z3p_ABC.pdb.gz)"
    )
    source = (
        "https://github.com/jertubiana/ScanNet, folder datasets/BCE (labels and table); "
        "structures from the PDB, https://www.rcsb.org"
    )
    target = Target("epitope", "binary", "residue")
    assembly_first = False

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there are label files of folds."""
        return any(path.stem.startswith("labels_fold") for path in label_files(root))
