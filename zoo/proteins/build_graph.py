"""Builds the graph of a protein: its nodes, edges and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from zoo.errors import ConfigError, StructureError
from zoo.proteins import features
from zoo.proteins.feature_sets import BACKBONE, computed, ordered, widths
from zoo.proteins.graph import Graph
from zoo.proteins.nodes import STRIDE, ResidueNodes, ligand_atoms, residue_nodes
from zoo.proteins.pocket import around_the_ligand, cut_out, inside
from zoo.proteins.protein import Protein

ATOM_RADIUS = 4.5
FEW, CACHED = 512, 2**15
"""Number of nodes up to which computing all distances is faster than a tree, and the number of
distances that are computed at a time."""
LAST_BITS = 2**12 - 1


@dataclass(frozen=True)
class GraphSpec:
    """The settings of a graph.

    Attributes:
        kind: What the nodes are: resolved residues for "residue", atoms for "atom", and all
            residues, resolved or not, for "none", which has no edges.
        k: Number of nearest neighbours of each node in a residue graph without `radius`.
        radius: Distance in angstrom within which nodes are neighbours; None means 4.5 for atom
            graphs, and `k` nearest neighbours for residue graphs.
        ligands: Whether ligand atoms are nodes too.
        hydrogens: Whether an atom graph has nodes for hydrogens.
        features: Names of the sets of node features in a residue graph, see
            `zoo.proteins.feature_sets`; kept in their own order.
        pocket: Distance in angstrom from the ligand within which residues are nodes, for proteins
            that do not say which of their residues are; None for all residues.
        cut: Whether the residues outside a pocket are left out before features are computed, as
            in older versions, so that residues at the cut look like chain ends.
    """

    kind: Literal["residue", "atom", "none"] = "residue"
    k: int = 30
    radius: float | None = None
    ligands: bool = False
    hydrogens: bool = False
    features: tuple[str, ...] = (BACKBONE,)
    pocket: float | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        """Put the names of the feature sets in their own order.

        Raises:
            ConfigError: If a name is unknown, or an atom graph is to have other sets.
        """
        names = ordered(self.features)
        if self.kind == "atom" and names != (BACKBONE,):
            raise ConfigError(
                f"graph.features={list(names)} are features of residues, and graph.kind=atom has "
                "no nodes for them. Use graph.kind=residue, or leave graph.features out."
            )
        object.__setattr__(self, "features", names)

    @property
    def num_types(self) -> int:
        """Size of the vocabulary of `node_type`: letters then elements, or elements alone."""
        atom_graph = self.kind == "atom"
        return features.NUM_ELEMENTS + (0 if atom_graph else features.NUM_LETTERS)


@dataclass(frozen=True)
class FeatureWidths:
    """The number of node types, and the widths of the node and edge features of a graph."""

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
        return cls(spec.num_types, *widths(spec.features), edge_s, 1)


def build_graph(protein: Protein, spec: GraphSpec | None = None) -> Graph:
    """Return the graph of one protein with float32 features, which `graph.NODE_FIELDS` describes.

    Raises:
        StructureError: If the graph needs coordinates and the protein has none.
    """
    return build_graphs([protein], spec)


def build_graphs(proteins: Sequence[Protein], spec: GraphSpec | None = None) -> Graph:
    """Return the batch of the graphs of some proteins.

    Features are computed for all proteins at once, because one protein is too small to keep the
    CPU busy. If only a pocket's residues are nodes, their features are those that they have in the
    whole protein, and their neighbours are chosen among the nodes.

    Raises:
        StructureError: If the graph needs coordinates and a protein has none, or if it needs a
            pocket and a protein does not have exactly one ligand.
    """
    spec = spec or GraphSpec()
    if spec.kind == "none":
        return Graph.batch([_without_edges(protein) for protein in proteins])
    _want_coordinates(proteins)
    proteins = [_in_pocket(protein, spec) for protein in proteins]
    if spec.kind == "atom":
        return Graph.batch([_atom_graph(protein, spec) for protein in proteins])
    return _residue_graph(proteins, spec)


def _want_coordinates(proteins: Sequence[Protein]) -> None:
    for protein in proteins:
        if not protein.nodes.any():
            raise StructureError(
                f"{protein.name}: {protein.source or 'the protein'} has no coordinates, which a "
                "graph network needs. Give a structure file, or use a model with "
                "--struct none."
            )


def _in_pocket(protein: Protein, spec: GraphSpec) -> Protein:
    if protein.pocket is not None:
        return cut_out(protein) if spec.cut else protein
    return protein if spec.pocket is None else around_the_ligand(protein, spec.pocket)


def _without_edges(protein: Protein) -> Graph:
    sequence = "".join(chain.sequence for chain in protein.chains)
    none = torch.zeros(0, dtype=torch.long)
    nodes = {
        "node_type": features.letter_types(sequence),
        "residue": torch.arange(len(sequence)),
    }
    return Graph(src=none, dst=none, num_nodes=(len(sequence),), nodes=nodes)


def _residue_graph(proteins: Sequence[Protein], spec: GraphSpec) -> Graph:
    parts = [residue_nodes(protein, spec.ligands) for protein in proteins]
    sizes = [int(part.kept.sum()) for part in parts]
    kept = torch.from_numpy(np.concatenate([part.kept for part in parts]))
    atoms = torch.from_numpy(np.concatenate([part.centred for part in parts]))
    bonded = torch.from_numpy(np.concatenate([part.bonded for part in parts]))[:-1]
    residue = torch.from_numpy(np.concatenate([part.residue for part in parts]))
    position = torch.from_numpy(np.concatenate([part.position for part in parts]))
    pos = atoms[:, 1].contiguous()
    steps = features.orientations(pos, bonded)
    node_s, node_v = _node_features(proteins, spec, parts, atoms, bonded, steps)
    nodes = {
        "pos": pos,
        "node_type": torch.cat([part.node_type for part in parts]),
        "node_s": node_s,
        "node_v": node_v,
        "backbone": torch.nan_to_num(atoms[:, [0, 2, 3]] - pos[:, None]),
        "steps": steps,
        "position": position,
        "residue": residue,
    }
    if not kept.all():
        nodes = {name: values[kept] for name, values in nodes.items()}
        pos, position = nodes["pos"], position[kept]
    pairs = [_neighbours(part, spec.k, spec.radius) for part in pos.split(sizes)]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    src, dst = (
        torch.cat([ends + start for ends, start in zip(side, starts, strict=True)])
        for side in zip(*pairs, strict=True)
    )
    offset = position.index_select(0, src) - position.index_select(0, dst)
    edges = _edge_geometry(pos, src, dst)
    distances = features.gaussians(edges["dist"], features.RESIDUE_RBF_MAX)
    edges["edge_s"] = torch.cat([distances, features.sequence_offsets(offset)], dim=-1)
    edges["relation"] = features.relations(offset, edges["dist"])
    return Graph(src, dst, tuple(sizes), nodes, edges)


def _node_features(
    proteins: Sequence[Protein],
    spec: GraphSpec,
    parts: Sequence[ResidueNodes],
    atoms: Tensor,
    bonded: Tensor,
    steps: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return (nodes, columns) scalars and (nodes, vectors, 3) vectors of the sets in `spec`."""
    scalars, vectors = [], []
    if BACKBONE in spec.features:
        is_residue = torch.from_numpy(np.concatenate([part.residue >= 0 for part in parts]))
        scalars.append(features.torsions(atoms, bonded) * is_residue[:, None])
        vectors += [steps, features.side_chains(atoms)[:, None]]
    if spec.features != (BACKBONE,):
        of_sets = [_of_nodes(*pair, spec) for pair in zip(proteins, parts, strict=True)]
        scalars.append(torch.cat([s for s, _ in of_sets]))
        vectors.append(torch.cat([v for _, v in of_sets]))
    return torch.cat(scalars, dim=1), torch.cat(vectors, dim=1)


def _of_nodes(protein: Protein, part: ResidueNodes, spec: GraphSpec) -> tuple[Tensor, Tensor]:
    """Return the features of the nodes of one protein, all sets but `BACKBONE`; 0 for ligands."""
    found, is_residue = computed(protein, spec.features), part.residue >= 0
    scalars = found.scalars[part.residue] * is_residue[:, None]
    vectors = found.vectors[part.residue] * is_residue[:, None, None]
    return torch.from_numpy(scalars).float(), torch.from_numpy(vectors).float()


def _atom_graph(protein: Protein, spec: GraphSpec) -> Graph:
    parts = [inside(protein), *([ligand_atoms(protein)] if spec.ligands else [])]
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
        "backbone": pos.new_zeros((len(pos), 3, 3)),
        "steps": pos.new_zeros((len(pos), 2, 3)),
        "position": torch.arange(len(pos)) * STRIDE,
        "residue": torch.from_numpy(np.concatenate([part.residue for part in parts])[keep]),
    }
    no_offset = torch.full_like(src, features.APART)
    edges["relation"] = features.relations(no_offset, edges["dist"])
    return Graph(src, dst, (len(pos),), nodes, edges)


def _neighbours(pos: Tensor, k: int, radius: float | None) -> tuple[Tensor, Tensor]:
    """Return the source and destination of all edges, sorted by destination."""
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

    The bits of positive floats sort like the floats themselves. So a squared distance and its
    column are packed into one integer and sorted together. The column replaces the last twelve
    bits, which changes the squared distance by less than a share of 1e-12.
    """
    size = len(pos)
    found = np.empty((size, count), np.int64)
    square, one = np.einsum("ij,ij->i", pos, pos)[:, None], np.ones((size, 1))
    left, right = np.hstack([-2 * pos, one, square]), np.hstack([pos, square, one]).T
    step = max(1, CACHED // size)
    for start in range(0, size if count else 0, step):
        near = np.maximum(left[start : start + step] @ right, 0.0)
        at = np.arange(len(near))
        near[at, start + at] = np.inf
        key = (near.view(np.int64) & ~LAST_BITS) | np.arange(size)
        key.partition(count - 1, axis=1)
        found[start : start + step] = np.sort(key[:, :count], axis=1) & LAST_BITS
    return torch.from_numpy(found.ravel()), torch.arange(size).repeat_interleave(count)


def _nearest(tree: cKDTree, count: int) -> tuple[Tensor, Tensor]:
    """Return edges from the `count` nearest points of each point, without the point itself."""
    _, found = tree.query(tree.data, k=np.arange(1, count + 1))
    other = found != np.arange(tree.n)[:, None]
    # If several atoms share one position, a point may not be among its own nearest points. Then the
    # last of them is one too many.
    other[other.all(1), -1] = False
    dst, column = np.nonzero(other)
    return torch.from_numpy(found[dst, column].astype(np.int64)), torch.from_numpy(dst)


def _edge_geometry(pos: Tensor, src: Tensor, dst: Tensor) -> dict[str, Tensor]:
    step = pos.index_select(0, src).sub_(pos.index_select(0, dst))
    dist = torch.linalg.vector_norm(step, dim=-1)
    return {"dist": dist, "edge_v": (step / dist.clamp(min=1e-12)[:, None])[:, None]}
