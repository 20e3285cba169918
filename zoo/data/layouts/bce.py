"""BCE, B-cell epitopes, in ScanNet's layout with five folds."""

from __future__ import annotations

from pathlib import Path

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.scannet import ScanNetLayout, label_files
from zoo.tasks import Target


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
