"""From a protein to its graph: which nodes, which edges, which features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from zoo.errors import StructureError
from zoo.proteins import features
from zoo.proteins.graph import Graph
from zoo.proteins.protein import Atoms, Protein

ATOM_RADIUS = 4.5
FEW, CACHED = 512, 2**14
"""Points up to which all distances are faster than a tree, and how many are computed at a time."""
LAST_BITS = 2**12 - 1


@dataclass(frozen=True)
class GraphSpec:
    """Which graph to build.

    Attributes:
        kind: "residue" has a node per resolved residue, "atom" per atom, "none" per residue
            (resolved or not) and no edges.
        k: neighbours of each node in a residue graph, unless `radius` is set.
        radius: in angstrom; all neighbours nearer than this. Atom graphs: 4.5 unless set.
        ligands: whether ligand atoms are nodes too.
        hydrogens: whether an atom graph keeps hydrogens.
    """

    kind: Literal["residue", "atom", "none"] = "residue"
    k: int = 30
    radius: float | None = None
    ligands: bool = False
    hydrogens: bool = False

    @property
    def num_types(self) -> int:
        """Size of the vocabulary of `node_type`: letters then elements, or elements alone."""
        atom_graph = self.kind == "atom"
        return features.NUM_ELEMENTS + (0 if atom_graph else features.NUM_LETTERS)


@dataclass(frozen=True)
class FeatureWidths:
    """Columns of the node and edge features that a graph carries."""

    types: int
    node_s: int
    node_v: int
    edge_s: int
    edge_v: int

    @classmethod
    def of(cls, spec: GraphSpec) -> FeatureWidths:
        """Return the widths of the graphs that `build_graph` makes for `spec`."""
        if spec.kind == "atom":
            return cls(spec.num_types, 0, 0, features.NUM_RBF, 1)
        edge_s = features.NUM_RBF + features.NUM_POSITIONAL
        return cls(spec.num_types, 6, 3, edge_s, 1)


def build_graph(protein: Protein, spec: GraphSpec | None = None) -> Graph:
    """Return the featurised graph of one protein, float32; fields in `graph.NODE_FIELDS`.

    Raises:
        StructureError: if the graph needs coordinates and the protein has none.
    """
    spec = spec or GraphSpec()
    if spec.kind == "none":
        return _without_edges(protein)
    if not protein.has_structure:
        raise StructureError(
            f"{protein.name}: {protein.source or 'the protein'} has no coordinates, which a "
            "structure backbone needs. Give a structure file, or use a model with --struct none."
        )
    return _atom_graph(protein, spec) if spec.kind == "atom" else _residue_graph(protein, spec)


def _without_edges(protein: Protein) -> Graph:
    sequence = "".join(chain.sequence for chain in protein.chains)
    none = torch.zeros(0, dtype=torch.long)
    nodes = {
        "node_type": features.letter_types(sequence),
        "residue": torch.arange(len(sequence)),
    }
    return Graph(src=none, dst=none, num_nodes=(len(sequence),), nodes=nodes)


def _residue_graph(protein: Protein, spec: GraphSpec) -> Graph:
    rows, coords, chain, position, bonded = _resolved(protein)
    sequence = "".join(c.sequence for c in protein.chains)
    extra = _ligand_atoms(protein) if spec.ligands else None
    ligand_pos = torch.from_numpy(extra.pos).double() if extra else coords.new_zeros((0, 3))
    pos = torch.cat([coords[:, 1], ligand_pos])
    centre = pos.mean(0)
    coords, pos = (coords - centre).float(), (pos - centre).float()

    count, ligand_count = len(rows), len(ligand_pos)
    node_v = torch.cat(
        [features.orientations(coords[:, 1], bonded), features.side_chains(coords)[:, None]], dim=1
    )
    types = [features.letter_types(sequence)[rows]]
    if extra:
        types.append(features.NUM_LETTERS + features.element_types(extra.element))
    nodes = {
        "pos": pos,
        "node_type": torch.cat(types),
        "node_s": _pad_rows(features.torsions(coords, bonded), ligand_count),
        "node_v": _pad_rows(node_v, ligand_count),
        "residue": torch.cat([rows, rows.new_full((ligand_count,), -1)]),
    }
    src, dst = _neighbours(pos, spec.k, spec.radius)
    unknown = torch.full((ligand_count,), torch.nan)
    chain, position = torch.cat([chain, unknown]), torch.cat([position, unknown])
    offset = (position[src] - position[dst]).masked_fill(chain[src] != chain[dst], torch.nan)
    edges = _edge_geometry(pos, src, dst)
    distances = features.gaussians(edges["dist"], features.RESIDUE_RBF_MAX)
    edges["edge_s"] = torch.cat([distances, features.sequence_offsets(offset)], dim=-1)
    edges["relation"] = features.relations(offset, edges["dist"])
    return Graph(src, dst, (count + ligand_count,), nodes, edges)


def _resolved(protein: Protein) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return row, coordinates (float64), chain, position of the nodes, and who is bonded."""
    chains = protein.chains
    coords = np.concatenate([chain.coords for chain in chains]).astype(np.float64)
    segment = np.concatenate([chain.segments for chain in chains])
    owner = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    position = np.concatenate([np.arange(len(chain)) for chain in chains])
    rows = np.flatnonzero(segment >= 0)
    bonded = (np.diff(segment[rows]) == 0) & (np.diff(owner[rows]) == 0)
    return (
        torch.from_numpy(rows),
        torch.from_numpy(coords[rows]),
        torch.from_numpy(owner[rows]).float(),
        torch.from_numpy(position[rows]).float(),
        torch.from_numpy(bonded),
    )


def _atom_graph(protein: Protein, spec: GraphSpec) -> Graph:
    parts = [protein.atoms, *([_ligand_atoms(protein)] if spec.ligands else [])]
    element = np.concatenate([part.element for part in parts])
    keep = np.ones(len(element), bool) if spec.hydrogens else element != 1
    exact = torch.from_numpy(np.concatenate([part.pos for part in parts])[keep]).double()
    pos = (exact - exact.mean(0)).float()
    radius = spec.radius or ATOM_RADIUS
    src, dst = _neighbours(pos, spec.k, radius)
    edges = _edge_geometry(pos, src, dst)
    edges["edge_s"] = features.gaussians(edges["dist"], radius)
    nodes = {
        "pos": pos,
        "node_type": features.element_types(element[keep]),
        "node_s": pos.new_zeros((len(pos), 0)),
        "node_v": pos.new_zeros((len(pos), 0, 3)),
        "residue": torch.from_numpy(np.concatenate([part.residue for part in parts])[keep]),
    }
    no_offset = torch.full_like(edges["dist"], torch.nan)
    edges["relation"] = features.relations(no_offset, edges["dist"])
    return Graph(src, dst, (len(pos),), nodes, edges)


def _ligand_atoms(protein: Protein) -> Atoms:
    """Join the ligands' heavy atoms; hydrogens are in some sources and not in others."""
    tables = [ligand.atoms for ligand in protein.ligands]
    pos = np.concatenate([np.zeros((0, 3), np.float32), *[t.pos for t in tables]])
    element = np.concatenate([np.zeros(0, np.uint8), *[t.element for t in tables]])
    name = np.concatenate([np.zeros(0, "<U4"), *[t.name for t in tables]])
    heavy = element != 1
    residue = np.full(int(heavy.sum()), -1, np.int64)
    return Atoms(pos[heavy], element[heavy], name[heavy], residue)


def _neighbours(pos: Tensor, k: int, radius: float | None) -> tuple[Tensor, Tensor]:
    """Return (source, destination) of all edges, by destination, then nearest source first."""
    exact = pos.double().numpy()
    if radius is None and len(pos) <= FEW:
        return _nearest_of_few(exact, min(k, len(pos) - 1))
    tree = cKDTree(exact)
    if radius is None:
        return _nearest(tree, min(k + 1, len(pos)))
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 0], both[:, 1]))]
    return torch.from_numpy(both[:, 0].copy()), torch.from_numpy(both[:, 1].copy())


def _nearest_of_few(pos: NDArray[np.float64], count: int) -> tuple[Tensor, Tensor]:
    """Return edges from the `count` nearest other points of each point, by all distances.

    A squared distance and its column are one integer, as the bits of positive floats sort as
    they do; the last twelve bits that this takes are a share of 1e-12 of the distance.
    """
    size = len(pos)
    found = np.empty((size, count), np.int64)
    step = max(1, CACHED // size)
    for start in range(0, size if count else 0, step):
        rows = pos[start : start + step]
        square = np.zeros((len(rows), size))
        for axis in range(3):
            square += np.square(rows[:, None, axis] - pos[None, :, axis])
        at = np.arange(len(rows))
        square[at, start + at] = np.inf
        key = (square.view(np.int64) & ~LAST_BITS) | np.arange(size)
        key.partition(count - 1, axis=1)
        found[start : start + step] = np.sort(key[:, :count], axis=1) & LAST_BITS
    return torch.from_numpy(found.ravel()), torch.arange(size).repeat_interleave(count)


def _nearest(tree: cKDTree, count: int) -> tuple[Tensor, Tensor]:
    """Return edges from the `count` nearest points of each point, itself left out."""
    _, found = tree.query(tree.data, k=np.arange(1, count + 1))
    other = found != np.arange(tree.n)[:, None]
    # Where several atoms share one place, a point may miss itself: the last one is one too many.
    other[other.all(1), -1] = False
    dst, column = np.nonzero(other)
    return torch.from_numpy(found[dst, column].astype(np.int64)), torch.from_numpy(dst)


def _edge_geometry(pos: Tensor, src: Tensor, dst: Tensor) -> dict[str, Tensor]:
    step = pos.index_select(0, src).sub_(pos.index_select(0, dst))
    dist = torch.linalg.vector_norm(step, dim=-1)
    return {"dist": dist, "edge_v": (step / dist.clamp(min=1e-12)[:, None])[:, None]}


def _pad_rows(x: Tensor, count: int) -> Tensor:
    """Append `count` rows of zeros: features that ligand atoms do not have."""
    return torch.cat([x, x.new_zeros((count, *x.shape[1:]))])
