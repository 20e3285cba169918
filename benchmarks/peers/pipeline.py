"""Structures on disk to a table of scores, as a user of the peers' parts would write it.

Biopython reads the file; each chain gets the published features of its residues, one after the
other; `transformers` runs ESM-2, padded, with hooks where the branches exchange; GVP's layers are
those of `peers.gvp`. The exchange, the embeddings and the head are the zoo's own modules, and so
are all weights.
"""

from __future__ import annotations

import copy
import csv
import gzip
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from Bio.Data.PDBData import protein_letters_3to1_extended as LETTERS
from Bio.PDB.MMCIFParser import MMCIFParser
from Bio.PDB.PDBParser import PDBParser
from torch import Tensor, nn

from peers import gvp, gvp_features
from zoo.backbones import packed
from zoo.models.model import FusedModel
from zoo.proteins import features
from zoo.proteins.batch import join
from zoo.proteins.graph import Graph

BACKBONE = ("N", "CA", "C", "O")


class Chain(NamedTuple):
    """One chain: its letters, its residue numbers, and (residues, 4, 3) N CA C O in angstrom."""

    sequence: str
    numbers: list[str]
    coords: Tensor


class Layer(nn.Module):
    """A layer of `peers.gvp` that is called as the zoo calls its own."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, graph: Graph, s: Tensor, v: Tensor, edge: gvp.Pair) -> gvp.Pair:
        pair: gvp.Pair = self.layer((s, v), torch.stack([graph.src, graph.dst]), edge)
        return pair


def peer_of(model: FusedModel) -> FusedModel:
    """Return the model with the peers' layers of GVP, with the same weights."""
    other = copy.deepcopy(model)
    layers = nn.ModuleList(gvp.Layer((100, 16), (32, 1)) for _ in other.struct.layers)
    gvp.copy_weights(other.struct.layers, layers)
    other.struct.layers = nn.ModuleList(map(Layer, layers))
    return other.eval()


def read(path: Path) -> Chain:
    """Return the residues of a file's first chain whose backbone is whole."""
    parser = (MMCIFParser if ".cif" in path.name else PDBParser)(QUIET=True)
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path)
    with opened as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chain = next(next(parser.get_structure(path.name, file).get_models()).get_chains())
    found = [
        (LETTERS.get(residue.get_resname(), "X"), f"{residue.id[1]}{residue.id[2]}".strip(),
         [residue[name].coord for name in BACKBONE])
        for residue in chain if all(name in residue for name in BACKBONE)
    ]  # fmt: skip
    letters, numbers, coords = zip(*found, strict=True)
    return Chain("".join(letters), list(numbers), torch.from_numpy(np.array(coords, np.float32)))


def graph_of(chain: Chain) -> Graph:
    """Return the graph of a chain by the published features."""
    found = gvp_features.featurise(chain.coords)
    nodes = {name: found[name] for name in ("node_s", "node_v")}
    nodes["node_type"] = features.letter_types(chain.sequence)
    nodes["residue"] = torch.arange(len(chain.sequence))
    edges = {name: found[name] for name in ("edge_s", "edge_v")}
    return Graph(found["src"], found["dst"], (len(chain.sequence),), nodes, edges)


@torch.inference_mode()
def predict(
    model: FusedModel, files: Sequence[Path], table: Path, at_once: int, device: str = "cpu"
) -> None:
    """Write the scores of all files, in their order, in batches of `at_once`."""
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "number", "letter", "score"])
        for start in range(0, len(files), at_once):
            paths = files[start : start + at_once]
            chains = [read(path) for path in paths]
            graph = Graph.batch([graph_of(chain) for chain in chains])
            batch = join(graph, [[chain.sequence] for chain in chains], model.seq.tokenize, ())
            with mock.patch.object(packed, "parts_of", return_value=None):
                scores = model(batch.to(device)).sigmoid().flatten().cpu()
            sizes = [len(chain.sequence) for chain in chains]
            for path, chain, own in zip(paths, chains, scores.split(sizes), strict=True):
                rows = zip(chain.numbers, chain.sequence, own.tolist(), strict=True)
                name = path.name.split(".")[0]
                writer.writerows([name, number, a, f"{x:.6g}"] for number, a, x in rows)
