"""Predict the binding sites of complexes, chain by chain and whole, and score both.

    python benchmarks/complexes.py structures/ --model ppbs

A site is a residue with a heavy atom within 4.5 angstrom of another protein chain. Chains of fewer
than 30 residues with coordinates are left out of the scores, and so are structures with fewer than
two others, copies of one entry, and chains in no contact.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.metrics import average_precision_score, roc_auc_score

from zoo.errors import ZooError
from zoo.prediction.ensemble import load_ensemble
from zoo.prediction.paths import find_inputs
from zoo.proteins.protein import Protein
from zoo.proteins.structure import read_structure
from zoo.settings.config import CHAIN, COMPLEX

CONTACT, SHORTEST = 4.5, 30


def sites(protein: Protein) -> NDArray[np.bool_]:
    """Return (residues,) whether each residue touches another chain."""
    owner = np.repeat(np.arange(len(protein.chains)), [len(c) for c in protein.chains])
    heavy = protein.atoms.element > 1
    residue, pos = protein.atoms.residue[heavy], protein.atoms.pos[heavy]
    pairs = cKDTree(pos).query_pairs(CONTACT, output_type="ndarray")
    across = pairs[owner[residue[pairs[:, 0]]] != owner[residue[pairs[:, 1]]]]
    found = np.zeros(len(protein), bool)
    found[residue[across.ravel()]] = True
    return found


def read(path: Path, seen: set[str]) -> Protein:
    """Return the protein of a file.

    Raises:
        ZooError: If it cannot be read, is no complex, or is of an entry that was seen.
    """
    if path.name[:4].lower() in seen:
        raise ZooError(f"{path.name} is another copy of {path.name[:4]}.")
    protein = read_structure(path)
    if sum(c.resolved.sum() >= SHORTEST for c in protein.chains) < 2:
        raise ZooError(f"{path.name} has fewer than two chains of {SHORTEST} residues.")
    return protein


def main() -> None:
    """Print the scores of both ways, for each complex and over all chains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("structures", nargs="+")
    parser.add_argument("--model", type=Path, default=Path("ppbs"))
    given = parser.parse_args()
    ways = {scope: load_ensemble(given.model, "cpu", scope=scope) for scope in (CHAIN, COMPLEX)}
    seen: set[str] = set()
    labels: list[NDArray[np.bool_]] = []
    scores: dict[str, list[NDArray[np.float64]]] = {way: [] for way in ways}
    for file in find_inputs(given.structures):
        try:
            protein = read(file.path, seen)
        except ZooError as error:
            print(f"left out: {error}", flush=True)
            continue
        seen.add(file.path.name[:4].lower())
        truth, target = sites(protein), ways[CHAIN].targets[0].name
        mean = {way: one.predict([protein])[0][target].mean for way, one in ways.items()}
        start = 0
        for chain in protein.chains:
            rows = np.arange(start, start + len(chain))[chain.resolved]
            start += len(chain)
            if len(rows) >= SHORTEST and truth[rows].any():
                labels.append(truth[rows])
                for way in ways:
                    scores[way].append(mean[way][rows])
        print(f"{file.name}: {len(protein.chains)} chains", flush=True)
    y = np.concatenate(labels)
    for way, found in scores.items():
        flat = np.concatenate(found)
        facts = {
            "as": way, "complexes": len(seen), "chains": len(labels), "share of sites": y.mean(),
            "roc_auc": roc_auc_score(y, flat),
            "average_precision": average_precision_score(y, flat),
            "mean roc_auc within chains": np.mean([
                roc_auc_score(t, x) for t, x in zip(labels, found, strict=True) if not t.all()
            ]),
        }  # fmt: skip
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in facts.items()}))


if __name__ == "__main__":
    main()
