"""How a protein lies in an HDF5 file of features: as this library has it, or as biotrainer does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.backbones.states_file import LAYOUT, STRUCTURE
from zoo.backbones.states_places import key_of
from zoo.errors import ConfigError, unknown
from zoo.proteins.protein import Protein
from zoo.system.counting import counted


class Layout(Protocol):
    """How a protein lies in the file."""

    def name_of(self, protein: Protein) -> str:
        """Return the name of a protein's group or data set."""
        ...

    def unfit(self, protein: Protein) -> str:
        """Return why a protein cannot lie in the file; "" if it can."""
        ...

    def make(
        self, file: Any, name: str, protein: Protein, rows: Mapping[str, NDArray[Any]],
        nodes: Sequence[str], structure: Sequence[str],
    ) -> Any:  # fmt: skip
        """Write a protein's features under a name, and return its group or data set."""
        ...


class Groups:
    """A group for each protein, with a data set for each layer; see `EmbeddingFile`."""

    def name_of(self, protein: Protein) -> str:
        """Return the name of a protein's group.

        That of a structure is its name, whose slashes are folders. That of a sequence is its id
        with slashes and lone dots written as in a URL, since HDF5 takes names for paths:
        "Q5VST9/1-60" is "Q5VST9%2F1-60", and does not lie in the group of "Q5VST9".

        Examples:
            >>> from zoo.proteins.protein import from_sequence
            >>> Groups().name_of(from_sequence("a//b", "MKT"))
            'a%2F%2Fb'
            >>> Groups().name_of(from_sequence(".", "MKT"))
            '%2E'
        """
        if protein.has_structure:
            return protein.name
        name = protein.name.replace("%", "%25").replace("/", "%2F")
        return name.replace(".", "%2E") if name.strip(".") == "" else name

    def unfit(self, protein: Protein) -> str:
        """Return "": every protein can lie in a group."""
        return ""

    def make(
        self, file: Any, name: str, protein: Protein, rows: Mapping[str, NDArray[Any]],
        nodes: Sequence[str], structure: Sequence[str],
    ) -> Any:  # fmt: skip
        """Write a protein's features as a group, and return it."""
        group = file.create_group(name)
        for layer, values in rows.items():
            group[layer] = values
        group["residues"] = np.array(nodes, dtype="S")
        if structure:
            group[STRUCTURE] = np.array(structure, dtype="S1")
        return group


class Biotrainer:
    """A data set for each chain, named by the hash of its sequence, with its id as an attribute.

    It is what `biotrainer_core.h5_files` of biotrainer 2 reads and writes: the SHA-256 of
    "SEQUENCE_LENGTH", and `original_id`, by which earlier versions look a protein up.
    """

    def name_of(self, protein: Protein) -> str:
        """Return the hash of the protein's one chain."""
        return key_of(protein.chains[0].sequence)

    def unfit(self, protein: Protein) -> str:
        """Return why a protein is not one chain with a row for each residue; "" if it is."""
        if len(protein.chains) > 1:
            return (
                f"{protein.name} has {len(protein.chains)} chains, and biotrainer's layout has one "
                "sequence for each entry; choose a chain (--chain A), or leave out --layout"
            )
        lacking = int((~protein.nodes).sum()) if protein.has_structure else 0
        if lacking:
            return (
                f"{protein.name} has {counted(lacking, 'residue')} without coordinates, and "
                "biotrainer's layout has a row for each residue; give its sequence, or leave "
                "out --layout"
            )
        return ""

    def make(
        self, file: Any, name: str, protein: Protein, rows: Mapping[str, NDArray[Any]],
        nodes: Sequence[str], structure: Sequence[str],
    ) -> Any:  # fmt: skip
        """Write a protein's one layer as a data set, and return it."""
        ((_, values),) = rows.items()
        made = file.create_dataset(name, data=values)
        made.attrs["original_id"] = protein.name
        return made


LAYOUTS: Mapping[str, Layout] = {"zoo": Groups(), "biotrainer": Biotrainer()}
"""Ways in which a protein can lie in the file, by the value of --layout."""


def check_layout(name: str, layers: Sequence[str]) -> None:
    """Check a layout, and that it holds so many layers.

    Raises:
        ConfigError: If it does not.
    """
    if name not in LAYOUTS:
        raise unknown("layout", name, LAYOUTS)
    if name == "biotrainer" and len(layers) > 1:
        raise ConfigError(
            f"--layout biotrainer holds one layer, and {len(layers)} are asked for "
            f"({', '.join(layers)}). Give one --layer, and one --out for each."
        )


def described(name: str) -> dict[str, str]:
    """Return what a file's description says of its layout; nothing of that of all versions."""
    return {} if name == "zoo" else {LAYOUT: name}
