"""Structure files to batches, and features of many proteins, against what they are read with.

    python benchmarks/structure_files.py FILE.cif.gz [--rounds 15] [--data PPBS] [--proteins 200]

One file: read, featurised (30 neighbours) and collated, against gemmi's own read of the same file,
which stops at atoms in memory. Many proteins (the chains of PPBS): featurised with neighbours,
sixteen at a time, against the published GVP featurisation, `peers/gvp_features.py`, as its users
run it: one protein after another. Both sides run on one thread unless told otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import gemmi
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import race
from peers import gvp_features as peer

from zoo.backbones.residue_tokens import published
from zoo.proteins.batch import collate, join
from zoo.proteins.build_graph import build_graph, build_graphs
from zoo.proteins.protein import Protein
from zoo.proteins.structure import read_structure

BATCH = 16


def one_file(path: Path, rounds: int) -> None:
    """Race the whole way from a file to a batch, and its parts, against gemmi."""
    tokenize, protein = published("esm2"), read_structure(path)
    atoms = gemmi.read_structure(str(path))
    atoms.remove_waters()
    seen = {
        (chain.name, f"{residue.seqid.num}{residue.seqid.icode}".strip())
        for chain in atoms[0] for residue in chain.get_polymer()
        if any(atom.name == "CA" for atom in residue)
    }  # fmt: skip
    ours = {(c.name, n) for c in protein.chains for n in c.numbers if n}
    assert seen <= ours, sorted(seen - ours)[:5]
    print(f"{path.name}: {len(protein)} residues, {len(protein.atoms)} protein atoms")
    works = {
        "gemmi.read_structure": lambda: gemmi.read_structure(str(path)),
        "file to batch": lambda: collate([read_structure(path)], tokenize),
        "  read": lambda: read_structure(path),
        "  featurise": lambda: build_graph(protein),
        "  collate": lambda: join(graph, sequences, tokenize, ("one",)),
    }
    graph, sequences = build_graph(protein), [[chain.sequence for chain in protein.chains]]
    race.show(race.race(works, rounds, warm=3), "gemmi.read_structure")


def complete(protein: Protein) -> Protein:
    """Return the first chain's residues with a whole backbone: the peer takes no others."""
    chain = protein.chains[0]
    keep = np.isfinite(chain.coords).all((1, 2))
    rows = np.flatnonzero(keep).tolist()
    kept = dataclasses.replace(
        chain, sequence="".join(chain.sequence[i] for i in rows), coords=chain.coords[keep],
        bfactor=chain.bfactor[keep], numbers=tuple(chain.numbers[i] for i in rows),
    )  # fmt: skip
    return dataclasses.replace(protein, chains=(kept,))


def many(proteins: list[Protein], rounds: int) -> None:
    """Race featurisation, after holding features of whole proteins against the peer's."""
    proteins = [complete(protein) for protein in proteins]
    coords = [torch.from_numpy(protein.chains[0].coords) for protein in proteins]
    whole = 0
    for protein, pos in zip(proteins, coords, strict=True):
        if protein.chains[0].segments.max() > 0:
            continue  # ours does not reach across a break, the peer does
        whole += 1
        graph, other = build_graph(protein), peer.featurise(pos)
        order = torch.argsort(other["dst"], stable=True)
        assert torch.equal(graph.dst, other["dst"][order])
        assert torch.equal(graph.src, other["src"][order])
        torch.testing.assert_close(graph.nodes["node_v"], other["node_v"], rtol=0, atol=2e-3)
        cos, sin = (graph.nodes["node_s"] - other["node_s"]).abs().chunk(2, -1)
        # Where atoms lie in one plane the peer's sign is 0, and it takes 180 degrees for 0.
        flat = other["node_s"][:, 3:] == 0
        assert sin.max() < 2e-3 and cos[~flat].max() < 2e-3
        for name in ("edge_s", "edge_v"):
            torch.testing.assert_close(graph.edges[name], other[name][order], rtol=0, atol=1e-3)
    residues = sum(map(len, coords)) / len(coords)
    print(f"{len(proteins)} chains of {residues:.0f} residues: neighbours equal, features too, "
          f"in the {whole} without a break")  # fmt: skip
    works = {
        "published form": lambda: [peer.featurise(pos) for pos in coords],
        "ours, one at a time": lambda: [build_graph(protein) for protein in proteins],
        "ours": lambda: [
            build_graphs(proteins[at : at + BATCH]) for at in range(0, len(proteins), BATCH)
        ],
    }
    race.show(race.race(works, rounds), "published form")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, help="folder with structures/ of PPBS")
    parser.add_argument("--proteins", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    race.header(given.threads)
    one_file(given.file, given.rounds)
    if given.data:
        files = sorted((given.data / "structures").iterdir())[: given.proteins]
        many([read_structure(path) for path in files], max(1, given.rounds // 3))


if __name__ == "__main__":
    main()
