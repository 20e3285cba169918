"""Copy a benchmark in ScanNet's layout without the training chains that are kin to other data.

    python -m zoo.prepare bce --data BCE --out PREPARED
    python benchmarks/without_kin.py PPBS --away-from PREPARED --out PPBS_away

A model that is trained on the copy may be the start of one for the other data (`train.start`): it
saw no homolog of any sample that is tested there. Kin is what MMseqs2 finds at E <= 0.001 with its
most sensitive preset. Test sets are copied whole; structures are linked, not copied.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo.data.layouts.scannet import label_files
from zoo.pretraining.corpus import held_out_chains
from zoo.pretraining.homology import kin

TRAINING = ("labels_train.txt", "labels_validation.txt")


def entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the id and the lines of each entry of a label file."""
    for block in path.read_text("utf-8").split(">")[1:]:
        yield block.partition("\n")[0].strip(), f">{block}"


def sequences(path: Path) -> dict[str, str]:
    """Return the letters of each chain, by "id chain"."""
    found: dict[str, str] = {}
    for name, block in entries(path):
        for row in map(str.split, block.splitlines()[1:]):
            if row:
                found[f"{name} {row[0]}"] = found.get(f"{name} {row[0]}", "") + row[2]
    return found


def copy(root: Path, out: Path, queries: dict[str, str]) -> None:
    """Write the folder, and print how many entries of each file are left."""
    out.mkdir(parents=True)
    (out / "structures").symlink_to((root / "structures").resolve())
    shutil.copyfile(root / "table.csv", out / "table.csv")
    for path in label_files(root):
        near = kin(queries, sequences(path)) if path.name in TRAINING else set()
        left_out = {name.partition(" ")[0] for name in near}
        kept = [block for name, block in entries(path) if name not in left_out]
        (out / path.name).write_text("".join(kept), "utf-8")
        print(f"{path.name}: {len(kept)} entries, {len(left_out)} kin left out")


def main() -> None:
    """Copy what is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder of the benchmark's files")
    parser.add_argument("--away-from", type=Path, required=True, help="prepared data")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    chains = held_out_chains([given.away_from])
    copy(given.root, given.out, {str(at): chain for at, chain in enumerate(chains)})


if __name__ == "__main__":
    main()
