"""The named sets of node features that a residue graph may have: `graph.features` of a config.

Each set is computed from a `Protein` for all of its residues. In a graph their numbers stand in the
order of `ORDER`, in whatever order a config names them: those of a residue in `node_s`,
vectors in `node_v`. Ligand atoms have zeros.
"""

from __future__ import annotations

import hashlib
import marshal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ConfigError, unknown
from zoo.proteins.protein import Protein
from zoo.settings.registry import Registry
from zoo.system.reading import content

Array = NDArray[np.float64]
BACKBONE = "backbone"
"""The set that `build_graph` itself computes, as in GVP; without others it is the default."""


@dataclass(frozen=True)
class Feature:
    """One feature of a residue.

    Attributes:
        name: What it is.
        width: Number of columns, or of vectors.
        unit: Unit of the numbers.
        missing: What stands in its place where an atom that it needs is unknown.
        vector: Whether it is a vector, which turns with the protein, rather than numbers.
    """

    name: str
    width: int
    unit: str
    missing: str
    vector: bool = False


@dataclass(frozen=True, eq=False)
class Columns:
    """The features of the residues of a protein, 0 where unknown.

    Attributes:
        scalars: (residues, columns) numbers.
        vectors: (residues, vectors, 3) vectors in the protein's own frame.
    """

    scalars: Array
    vectors: Array


@dataclass(frozen=True)
class FeatureSet:
    """A named set of features.

    Attributes:
        features: Its features, those with numbers in the order of their columns.
        compute: Returns the features of all residues of a protein; None for `BACKBONE`.
    """

    features: tuple[Feature, ...]
    compute: Callable[[Protein], Columns] | None = None

    @property
    def scalars(self) -> int:
        """Number of columns that it adds to `node_s`."""
        return sum(one.width for one in self.features if not one.vector)

    @property
    def vectors(self) -> int:
        """Number of vectors that it adds to `node_v`."""
        return sum(one.width for one in self.features if one.vector)


def numbers(*parts: Array) -> Columns:
    """Return columns side by side, 0 where NaN, without vectors."""
    scalars = np.nan_to_num(np.concatenate(parts, axis=1))
    return Columns(scalars, np.zeros((len(scalars), 0, 3)))


FEATURE_SETS: Registry[FeatureSet] = Registry("feature set")
ORDER = (
    BACKBONE, "side_chain", "density", "surface", "secondary_structure", "confidence", "mpnn",
    "sequence_fit",
)  # fmt: skip
"""Names of the library's own sets in the order of their columns; those of plug-ins come after."""
FEATURE_SETS.register(BACKBONE)(FeatureSet((
    Feature("cosines, then sines of phi, psi, omega", 6, "none", "(0, 0); (1, 0) at an end"),
    Feature("unit vectors to the next and the previous CA", 2, "none", "zero", vector=True),
    Feature("unit vector to an ideal CB", 1, "none", "zero", vector=True),
)))  # fmt: skip
for _name, _module, _about in (
    ("side_chain", "side_chain", "Torsions of each side chain, and where its middle lies."),
    ("density", "density", "How many CA atoms are near, and the residue's place in the protein."),
    ("surface", "accessibility", "Solvent accessibility, where side chains are known."),
    ("secondary_structure", "secondary_structure", "Helix, strand or coil."),
    ("confidence", "confidence", "Rank of the B-factor, or of pLDDT, within the protein."),
):
    FEATURE_SETS.announce(_name, f"zoo.proteins.{_module}", _about)
FEATURE_SETS.announce(
    "mpnn",
    "zoo.backbones.mpnn_features",
    "What ProteinMPNN, trained on the PDB, knows of a residue.",
)
FEATURE_SETS.announce(
    "sequence_fit",
    "zoo.backbones.mpnn_features",
    "How well a residue fits its place, by ProteinMPNN.",
)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names in the order of `ORDER`, each once.

    Raises:
        ConfigError: If a name is unknown; names the nearest one.
    """
    for name in names:
        if name not in FEATURE_SETS:
            raise unknown("feature set", str(name), ordered(FEATURE_SETS))
    plugins = sorted({*names} - {*ORDER})
    return tuple(name for name in (*ORDER, *plugins) if name in names)


def widths(names: Sequence[str]) -> tuple[int, int]:
    """Return the number of columns in `node_s` and of vectors in `node_v` of some sets."""
    sets = [FEATURE_SETS[name] for name in names]
    return sum(one.scalars for one in sets), sum(one.vectors for one in sets)


def sources(names: Iterable[str]) -> list[str]:
    """Return a hash of the code of each plug-in's set, by which stored numbers are told apart.

    The code is the file that registers it, or in a notebook the function alone. What is stored of
    the library's own sets has a version.
    """
    found = []
    for name in ordered({*names} - {*ORDER}):
        module = sys.modules.get(FEATURE_SETS.owner(name) or "")
        path, compute = getattr(module, "__file__", None), FEATURE_SETS[name].compute
        function = getattr(compute, "__code__", None)
        code = content(path) if path else marshal.dumps(function) if function else b""
        found.append(hashlib.sha256(code).hexdigest())
    return found


def computed(protein: Protein, names: Sequence[str]) -> Columns:
    """Return the features of the named sets, without those of `BACKBONE`, side by side.

    Raises:
        ConfigError: If a set, as of a plug-in, does not give what it declares.
    """
    empty = Columns(np.zeros((len(protein), 0)), np.zeros((len(protein), 0, 3)))
    found = [empty]
    for name in ordered(names):
        compute = FEATURE_SETS[name].compute
        if compute is not None:
            found.append(_checked(name, compute(protein), len(protein)))
    return Columns(
        np.concatenate([one.scalars for one in found], axis=1),
        np.concatenate([one.vectors for one in found], axis=1),
    )


def _checked(name: str, found: Columns, residues: int) -> Columns:
    """Return the features of a set, which must be a finite row for each residue of a protein."""
    declared = FEATURE_SETS[name]
    shapes = (residues, declared.scalars), (residues, declared.vectors, 3)
    if (found.scalars.shape, found.vectors.shape) != shapes:
        raise ConfigError(
            f"The feature set {name} gives scalars {found.scalars.shape} and vectors "
            f"{found.vectors.shape}, and declares {shapes[0]} and {shapes[1]} for a protein of "
            f"{residues} residues, unresolved ones included. Correct its function or its features."
        )
    if not (np.isfinite(found.scalars).all() and np.isfinite(found.vectors).all()):
        raise ConfigError(f"The feature set {name} gives values that are not finite; give 0.")
    return found
