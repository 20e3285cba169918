"""The nodes of a residue graph: resolved residues, then the heavy atoms of ligands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.proteins import features
from zoo.proteins.protein import Atoms, Protein

STRIDE = 2 * features.APART
"""Distance between the positions of successive chains, so that they never look near in sequence."""


@dataclass(frozen=True, eq=False)
class ResidueNodes:
    """The nodes of one residue graph.

    Attributes:
        atoms: (nodes, 4, 3) coordinates of N CA C O in angstrom, NaN where unknown; the atom of a
            ligand is in the place of CA.
        node_type: (nodes,) as in `graph.NODE_FIELDS`.
        residue: (nodes,) as in `graph.NODE_FIELDS`.
        position: (nodes,) position in the sequence; those of different chains differ by `APART` or
            more.
        bonded: (nodes,) whether the next node is bonded to this one.
        kept: (nodes,) whether a node stays in the graph. The others, outside a pocket, only serve
            to compute the features of those that stay.
    """

    atoms: NDArray[np.float64]
    node_type: Tensor
    residue: NDArray[np.int64]
    position: NDArray[np.int64]
    bonded: NDArray[np.bool_]
    kept: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def centred(self) -> NDArray[np.float32]:
        """`atoms` relative to the mean CA of the nodes that stay.

        They are float64 up to here, so that coordinates far from the origin lose no precision.
        """
        centre = self.atoms[self.kept, 1].mean(0)
        moved: NDArray[np.float32] = (self.atoms - centre).astype(np.float32)
        return moved


def residue_nodes(protein: Protein, ligands: bool) -> ResidueNodes:
    """Return the nodes of a protein, and if `ligands` is set, the heavy atoms of its ligands."""
    chains = protein.chains
    coords = np.concatenate([chain.coords for chain in chains]).astype(np.float64)
    segment = np.concatenate([chain.segments for chain in chains])
    owner = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    position = np.concatenate([np.arange(len(chain)) for chain in chains])
    rows = np.flatnonzero(segment >= 0)
    segment, owner = segment[rows], owner[rows]
    found = ResidueNodes(
        atoms=coords[rows],
        node_type=features.letter_types("".join(chain.sequence for chain in chains))[rows],
        residue=rows,
        position=position[rows] + owner * STRIDE,
        bonded=np.append((np.diff(segment) == 0) & (np.diff(owner) == 0), False),
        kept=protein.nodes[rows],
    )
    return _with_ligands(found, ligand_atoms(protein), len(chains)) if ligands else found


def _with_ligands(nodes: ResidueNodes, extra: Atoms, chains: int) -> ResidueNodes:
    """Return the nodes with ligand atoms appended, each as if it were a chain of its own."""
    count = len(extra)
    places = np.full((count, 4, 3), np.nan)
    places[:, 1] = extra.pos
    types = features.NUM_LETTERS + features.element_types(extra.element)
    return replace(
        nodes,
        atoms=np.concatenate([nodes.atoms, places]),
        node_type=torch.cat([nodes.node_type, types]),
        residue=np.append(nodes.residue, extra.residue),
        position=np.append(nodes.position, np.arange(chains, chains + count) * STRIDE),
        bonded=np.append(nodes.bonded, np.zeros(count, bool)),
        kept=np.append(nodes.kept, np.ones(count, bool)),
    )


def ligand_atoms(protein: Protein) -> Atoms:
    """Return the heavy atoms of all ligands, without hydrogens, which not all files have."""
    tables = [ligand.atoms for ligand in protein.ligands]
    pos = np.concatenate([np.zeros((0, 3), np.float32), *[t.pos for t in tables]])
    element = np.concatenate([np.zeros(0, np.uint8), *[t.element for t in tables]])
    name = np.concatenate([np.zeros(0, "<U4"), *[t.name for t in tables]])
    heavy = element != 1
    residue = np.full(int(heavy.sum()), -1, np.int64)
    return Atoms(pos[heavy], element[heavy], name[heavy], residue)
