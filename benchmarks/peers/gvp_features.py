"""Residue features as arXiv:2009.01411 defines them, one protein after another, for timing.

Written from the paper's equations in the plain form that its users run: each feature in turn from
(residues, 4, 3) coordinates, torsions by arccosine, neighbours by a full matrix of distances (its
own code asks torch-cluster, for which there is no wheel). Nothing is known of chain breaks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBOURS, WIDTH = 30, 16


def unit(x: Tensor) -> Tensor:
    return torch.nan_to_num(x / torch.norm(x, dim=-1, keepdim=True))


def nearest(ca: Tensor) -> Tensor:
    distance = torch.norm(ca[:, None] - ca[None], dim=-1)
    distance.fill_diagonal_(math.inf)
    count = min(NEIGHBOURS, len(ca) - 1)
    source = distance.topk(count, largest=False).indices
    return torch.stack([source.flatten(), torch.arange(len(ca)).repeat_interleave(count)])


def torsions(coords: Tensor) -> Tensor:
    atoms = coords[:, :3].reshape(-1, 3)
    bond = unit(atoms[1:] - atoms[:-1])
    before, middle, after = bond[:-2], bond[1:-1], bond[2:]
    left = unit(torch.cross(before, middle, dim=-1))
    right = unit(torch.cross(middle, after, dim=-1))
    cosine = (left * right).sum(-1).clamp(-1 + 1e-7, 1 - 1e-7)
    angle = torch.sign((before * right).sum(-1)) * torch.acos(cosine)
    angle = F.pad(angle, [1, 2]).reshape(-1, 3)
    return torch.cat([torch.cos(angle), torch.sin(angle)], 1)


def orientations(ca: Tensor) -> Tensor:
    forward = F.pad(unit(ca[1:] - ca[:-1]), [0, 0, 0, 1])
    backward = F.pad(unit(ca[:-1] - ca[1:]), [0, 0, 1, 0])
    return torch.cat([forward[:, None], backward[:, None]], 1)


def side_chains(coords: Tensor) -> Tensor:
    n, ca, c = coords[:, 0], coords[:, 1], coords[:, 2]
    c, n = unit(c - ca), unit(n - ca)
    bisector, normal = unit(c + n), unit(torch.cross(c, n, dim=-1))
    return -bisector * math.sqrt(1 / 3) - normal * math.sqrt(2 / 3)


def gaussians(distance: Tensor) -> Tensor:
    centres = torch.linspace(0.0, 20.0, WIDTH).view(1, -1)
    return torch.exp(-(((distance[:, None] - centres) / (20.0 / WIDTH)) ** 2))


def positions(index: Tensor) -> Tensor:
    offset = index[0] - index[1]
    frequency = torch.exp(torch.arange(0, WIDTH, 2) * -(math.log(10000.0) / WIDTH))
    angles = offset[:, None] * frequency
    return torch.cat([torch.cos(angles), torch.sin(angles)], -1)


def featurise(coords: Tensor) -> dict[str, Tensor]:
    """Return node and edge features of (residues, 4, 3) N CA C O in angstrom."""
    ca = coords[:, 1]
    index = nearest(ca)
    vectors = ca[index[0]] - ca[index[1]]
    rbf = gaussians(vectors.norm(dim=-1))
    node_v = torch.cat([orientations(ca), side_chains(coords)[:, None]], 1)
    edge_s = torch.cat([rbf, positions(index)], -1)
    found = {
        "src": index[0], "dst": index[1], "node_s": torsions(coords), "node_v": node_v,
        "edge_s": edge_s, "edge_v": unit(vectors)[:, None],
    }  # fmt: skip
    return {k: torch.nan_to_num(x) if x.is_floating_point() else x for k, x in found.items()}
