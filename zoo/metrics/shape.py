"""Baselines of whole proteins that read coordinates: how many contacts, and how compact."""

from __future__ import annotations

import numpy as np

from zoo.metrics.baseline import BASELINES
from zoo.metrics.baselines import Line, neighbours
from zoo.metrics.rows import Array
from zoo.proteins.protein import Protein

CONTACT = 8.0
"""Distance of two CA in angstrom up to which their residues are in contact."""


class _OfShape(Line):
    """A line in a number that needs coordinates."""

    kinds = ("regression",)

    @property
    def possible(self) -> bool:
        """Whether a training sample has coordinates."""
        return self.largest > 0


@BASELINES.register("contacts")
class Contacts(_OfShape):
    """A line in the mean number of other CA within 8 angstrom of a residue's."""

    @staticmethod
    def _number(protein: Protein) -> float:
        near = neighbours(protein, CONTACT)
        return float(np.nanmean(near)) if np.isfinite(near).any() else np.nan


@BASELINES.register("radius_of_gyration")
class RadiusOfGyration(_OfShape):
    """A line in the radius of gyration of the CA atoms, in angstrom."""

    @staticmethod
    def _number(protein: Protein) -> float:
        return radius_of_gyration(protein)


def radius_of_gyration(protein: Protein) -> float:
    """Return the radius of gyration of the CA atoms in angstrom, NaN without any."""
    ca = known_ca(protein)
    return float(np.sqrt(((ca - ca.mean(0)) ** 2).sum(1).mean())) if len(ca) else np.nan


def known_ca(protein: Protein) -> Array:
    """Return (residues with coordinates, 3) the CA atoms of all chains in angstrom."""
    ca = np.concatenate([chain.coords[:, 1] for chain in protein.chains]).astype(np.float64)
    return ca[np.isfinite(ca).all(axis=1)]
