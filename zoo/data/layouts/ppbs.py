"""PPBS, protein-protein binding sites, in ScanNet's layout; GraphPPIS's sets can be read too."""

from __future__ import annotations

from pathlib import Path

from zoo.data.layouts import LAYOUTS
from zoo.data.layouts.scannet import ScanNetLayout, label_files
from zoo.tasks import Target


@LAYOUTS.register("ppbs/scannet")
class PpbsScanNet(ScanNetLayout):
    """Chains of first biological assemblies, in train, validation and test with subsets."""

    task = "ppbs"
    needs = (
        "labels_<set>.txt (such as labels_train.txt, labels_test_70.txt), optionally table.csv, "
        "and structures/ with the first biological assembly of each PDB entry "
        "(1a2n-assembly1.cif.gz) or a file for each chain (1a2n_0-A.pdb.gz)"
    )
    source = (
        "https://github.com/jertubiana/ScanNet, folder datasets/PPBS (labels and table); "
        "assemblies from the PDB, https://www.rcsb.org"
    )
    target = Target("binding_site", "binary", "residue")
    assembly_first = True

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there are label files other than labels_fold*.txt, which are BCE's."""
        return any(not path.stem.startswith("labels_fold") for path in label_files(root))
