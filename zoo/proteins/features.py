"""Node and edge features of residue and atom graphs, vectorised over the whole protein.

Source: "Learning from Protein Structure with Geometric Vector Perceptrons" (arXiv:2009.01411) for
residues and "Equivariant Graph Neural Networks for 3D Macromolecular Structure"
(arXiv:2106.03843) for atoms. One thing differs: no torsion or direction is computed across a chain
break, while GVP's own code computes them between residues that are not bonded.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LETTERS = "ARNDCQEGHILKMFPSTWYV"
NUM_LETTERS = len(LETTERS) + 1
"""Number of letter types; the last one stands for all other letters."""
ELEMENTS = (1, 6, 7, 8, 9, 16, 17, 15)
"""Atomic numbers of H C N O F S Cl P, in the order of GVP's atom graphs; others share one type."""
NUM_ELEMENTS = len(ELEMENTS) + 1

NUM_RBF = 16
NUM_POSITIONAL = 16
RESIDUE_RBF_MAX = 20.0
"""Largest centre of the Gaussians in residue graphs, in angstrom; the smallest is 0."""

RELATIONS = ("i-2", "i-1", "i+1", "i+2", "near in sequence", "near in space", "far")
"""Kinds of edge by sequence offset (source minus destination), then by distance."""
NEAR_IN_SEQUENCE = 5
APART = 2**30
"""Smallest offset in sequence that means another chain or the atom of a ligand."""
NEAR_IN_SPACE = 10.0


def letter_types(sequence: str) -> Tensor:
    """Return (residues,) the index of each letter in `LETTERS`, 20 for any other."""
    table = np.full(256, len(LETTERS), np.int64)
    table[np.frombuffer(LETTERS.encode(), np.uint8)] = np.arange(len(LETTERS))
    return torch.from_numpy(table[np.frombuffer(sequence.encode("latin-1"), np.uint8)])


def element_types(element: NDArray[np.uint8]) -> Tensor:
    """Return (atoms,) the type of each atomic number: its index in `ELEMENTS`, 8 for any other."""
    table = np.full(256, len(ELEMENTS), np.int64)
    table[list(ELEMENTS)] = np.arange(len(ELEMENTS))
    return torch.from_numpy(table[element])


def unit(x: Tensor) -> Tensor:
    """Return `x` (..., 3) scaled to length one; a zero vector stays zero, and NaN becomes zero."""
    x = torch.nan_to_num(x)
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_(min=1e-12)


def torsions(coords: Tensor, bonded: Tensor) -> Tensor:
    """Return (residues, 6) cosines then sines of phi, psi, omega.

    Args:
        coords: (residues, 4, 3) N CA C O in angstrom, NaN where unknown.
        bonded: (residues - 1,) whether each residue is bonded to the next.

    A torsion that does not exist (at an end or a break) is angle 0, (1, 0), as in GVP; one that
    cannot be computed because an atom is unknown is (0, 0).
    """
    atoms = coords[:, :3].flatten(0, 1)
    step = atoms.diff(dim=0)
    cosine, sine = dihedral(step[:-2], step[1:-1], step[2:])
    cosine, sine = (F.pad(x, (1, 2)).view(-1, 3) for x in (cosine, sine))  # phi, psi, omega
    exists = torch.zeros_like(cosine, dtype=torch.bool)
    exists[1:, 0] = bonded
    exists[:-1, 1:] = bonded[:, None]
    found = torch.cat([cosine.where(exists, 1.0), sine.where(exists, 0.0)], dim=-1)
    return torch.nan_to_num(found)


def dihedral(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angle between the planes of three successive bonds.

    They are computed without an arc function, so they are exact near 0 and 180 degrees too. If the
    bonds are on one line, the angle is 0.
    """
    first = torch.linalg.cross(a, b, dim=-1)
    second = torch.linalg.cross(b, c, dim=-1)
    sine = torch.linalg.vector_norm(b, dim=-1) * (a * second).sum(-1)
    cosine = (first * second).sum(-1)
    length = torch.hypot(sine, cosine)
    return (cosine / length).where(length != 0, 1.0), sine / length.clamp(min=1e-30)


def orientations(ca: Tensor, bonded: Tensor) -> Tensor:
    """Return (residues, 2, 3) unit vectors to the next and the previous CA; zero without one."""
    step = unit(ca.diff(dim=0)) * bonded[:, None]
    forward = F.pad(step, (0, 0, 0, 1))
    backward = F.pad(-step, (0, 0, 1, 0))
    return torch.stack([forward, backward], dim=1)


def side_chains(coords: Tensor) -> Tensor:
    """Return (residues, 3) the unit direction of an ideal CB; zero where N or C is unknown."""
    n, ca, c = coords[:, 0], coords[:, 1], coords[:, 2]
    known = torch.isfinite(n + c).all(-1, keepdim=True)
    c, n = unit(c - ca), unit(n - ca)
    perpendicular = unit(torch.linalg.cross(c, n, dim=-1))
    direction = -unit(c + n) * math.sqrt(1 / 3) - perpendicular * math.sqrt(2 / 3)
    return direction * known


def gaussians(dist: Tensor, maximum: float) -> Tensor:
    """Return (edges, 16) Gaussians of the distance, centred evenly from 0 to `maximum` angstrom."""
    scale = NUM_RBF / maximum
    centres = torch.linspace(0.0, maximum, NUM_RBF, dtype=dist.dtype) * scale
    exponent = ((dist * scale)[:, None] - centres).square_().neg_()
    # Below this, float32 has only subnormal numbers, which take a CPU five times as long.
    return exponent.clamp_(min=-80.0).exp_()


def sequence_offsets(offset: Tensor) -> Tensor:
    """Return (edges, 16) cosines, then sines of the offset in sequence; zeros between chains.

    Args:
        offset: (edges,) position of source minus destination, `APART` or more between chains.
    """
    known = offset.abs() < APART
    near = offset.where(known, 0)
    low, high = (int(near.min()), int(near.max())) if len(near) else (0, 0)
    steps = torch.arange(0, NUM_POSITIONAL, 2, dtype=torch.float64)
    each = torch.arange(low, high + 1, dtype=torch.float64)
    angle = each[:, None] * torch.exp(steps * (-math.log(10000.0) / NUM_POSITIONAL))
    table = F.pad(torch.cat([angle.cos(), angle.sin()], dim=-1).float(), (0, 0, 0, 1))
    return table.index_select(0, (near - low).where(known, len(each)))


def offset_class(offset: Tensor, reach: int) -> Tensor:
    """Return (edges,) offsets from -reach to reach as 0 to 2 reach; one more between chains.

    Args:
        offset: (edges,) difference of two positions, `APART` or more between chains.
        reach: Largest offset that is told apart; longer ones count as the longest.
    """
    near = offset.clamp(-reach, reach) + reach
    return torch.where(offset.abs() < APART, near, 2 * reach + 1)


def relations(offset: Tensor, dist: Tensor) -> Tensor:
    """Return (edges,) the index in `RELATIONS`; residues of different chains are far in sequence.

    Args:
        offset: (edges,) position of source minus destination, `APART` or more between chains.
        dist: (edges,) distance in angstrom.
    """
    edge = NEAR_IN_SEQUENCE
    by_offset = torch.tensor([-1, 4, 4, 0, 1, 4, 2, 3, 4, 4, -1])  # offsets of -5 to 5
    kind = by_offset[offset.clamp(-edge, edge) + edge]
    return kind.where(kind >= 0, torch.where(dist < NEAR_IN_SPACE, 5, 6))
